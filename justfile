# `just` lists what there is. Everything runs in the locked environment.
set positional-arguments

_default:
    @just --list

# Install what requirements.lock pins, by hash.
_sync:
    @test -x .venv/bin/python || uv venv -q .venv
    @uv pip sync -q --require-hashes requirements.lock
    @uv pip install -q --no-deps --no-build-isolation --editable . 2>/dev/null || uv pip install -q --no-deps --editable .

# Fetch the private chain's node into .anvil.
_anvil:
    @.venv/bin/python -m actors.sandbox.fetch_anvil

# The whole system on a private Postgres and a private chain: `just demo --for 60 --chaos`.
demo *ARGS: _sync _anvil
    @.venv/bin/trueup demo "$@"

# Lint, types and every test.
test *ARGS: _sync _anvil lint types
    @.venv/bin/python -m pytest -n 2 "$@"

lint:
    .venv/bin/ruff check actors tests
    .venv/bin/python -m flake8 --select ASYNC actors tests

types:
    .venv/bin/mypy

# Resolve the dependencies again and pin them.
lock:
    uv export -q --no-emit-project --all-groups --all-extras --no-header --format requirements-txt -o requirements.lock

# Compile the sandbox's contracts again.
contracts:
    @folder=$(mktemp -d) && npm install --prefix "$folder" --no-save --no-audit --no-fund solc@0.8.30 >/dev/null && node actors/sandbox/contracts/build.js "$folder"
