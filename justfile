# `just` lists what there is. Everything runs in the locked environment.
set positional-arguments

# Not asked of flake8-async: which functions are startable (114, their task_status says so), waits for another process's state (110),
# ports that name their own bound (109), actors that hand their task_status on (128), async functions of a fixed shape (124), and another HTTP client than the design's (127: it stands behind one module, evm/http.py).
async_off := "ASYNC114,ASYNC110,ASYNC109,ASYNC127,ASYNC128,ASYNC124"

# `uv run` says where it is itself; it need not be on the PATH.
uv := env("UV", ".uv/bin/uv")

_default:
    @{{ just_executable() }} --list

# Install what requirements.lock pins. What `uv run` put there by itself was checked against no hash: it is replaced once.
_sync:
    @test -x .venv/bin/python || {{ uv }} venv -q .venv
    @{{ uv }} pip sync -q --require-hashes $(cmp -s requirements.lock .venv/verified.lock || echo --reinstall) requirements.lock
    @cp requirements.lock .venv/verified.lock

# Fetch the private chain's node into .anvil.
_anvil:
    @.venv/bin/python -m actors.sandbox.fetch_anvil

# The whole system on a private Postgres and a private chain: `just demo --for 60 --chaos`.
demo *ARGS: _sync _anvil
    @.venv/bin/python -m actors demo "$@"

# Lint, types and every test.
test *ARGS: _tools _sync _anvil lint types
    @.venv/bin/python -m pytest -n 3 --dist worksteal "$@"

# What the tests of the dashboard and of the alerts run.
_tools:
    @for tool in chromium promtool; do command -v $tool >/dev/null || { echo "the tests need $tool on the PATH: apt-get install chromium prometheus" >&2; exit 1; }; done

# Lint and types.
check: lint types

lint:
    .venv/bin/ruff check actors bench tests
    git ls-files -z --cached --others --exclude-standard '*.py' | xargs -0 -n 60 -P 2 .venv/bin/flake8-async --enable=ASYNC1,ASYNC2,ASYNC3 --disable={{ async_off }}

types:
    .venv/bin/mypy

# Resolve the dependencies again and pin them.
lock:
    {{ uv }} export -q --no-emit-project --all-groups --all-extras --no-header --format requirements-txt -o requirements.lock

# Compile the sandbox's contracts again.
contracts:
    @folder=$(mktemp -d) && npm install --prefix "$folder" --no-save --no-audit --no-fund solc@0.8.30 >/dev/null && node actors/sandbox/contracts/build.js "$folder"

# Measure against the peers: `just bench`, `just bench reads sweep`, `just bench --quick`. bench/RESULTS.md has the last full run.
bench *ARGS: _sync _anvil
    @UV={{ uv }} .venv/bin/python -m bench "$@"

# Histories of the whole system over a simulated chain, provider and Postgres: `just simulate --seeds 1000`, `just simulate --seed 7`.
simulate *ARGS: _sync
    @.venv/bin/python -m tests.simulation "$@"

# Plant known bugs into copies of the code, and see how many histories the simulation needs to find each.
simulate-bugs *ARGS: _sync
    @.venv/bin/python -m tests.simulation.bugs "$@"
