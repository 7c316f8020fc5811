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

# Make one executable that needs no Python, with Postgres and anvil for the demo inside: dist/trueup.
build: _sync _anvil
    @.venv/bin/python packaging/build.py

# The same, unless it is newer than what it is made of.
_built: _sync _anvil
    @test -x dist/trueup && test -z "$(find actors packaging schema.sql requirements.lock -type f -not -name '*.pyc' -newer dist/trueup)" || .venv/bin/python packaging/build.py

# Try an executable where there is nothing else: `just smoke ./dist/trueup`.
smoke BINARY *ARGS: _sync _anvil
    @binary=$(realpath "$1") && shift && TRUEUP_BINARY=$binary .venv/bin/python -m pytest -n 2 tests/smoke "$@"

# Lint, types and every test.
test *ARGS: _tools _sync _anvil lint types _built
    @.venv/bin/python -m pytest -n 3 --dist worksteal "$@"

# What the tests of the dashboard, of the alerts and of the executable run.
_tools:
    @for tool in chromium promtool objcopy; do command -v $tool >/dev/null || { echo "the tests need $tool on the PATH: apt-get install chromium prometheus binutils" >&2; exit 1; }; done

# Lint and types.
check: lint types

lint:
    .venv/bin/ruff check actors bench packaging tests
    git ls-files -z --cached --others --exclude-standard '*.py' | xargs -0 -n 60 -P 2 .venv/bin/flake8-async --enable=ASYNC1,ASYNC2,ASYNC3 --disable={{ async_off }}

types:
    .venv/bin/mypy

# Resolve the dependencies again and pin them.
lock:
    {{ uv }} export -q --no-emit-project --all-groups --all-extras --no-header --format requirements-txt -o requirements.lock
    {{ uv }} export -q --no-emit-project --no-default-groups --no-header --format requirements-txt -o packaging/runtime.lock

# Look up what requirements.lock pins among the published advisories. What could not be looked up fails it too.
audit:
    {{ uv }} tool run --from pip-audit==2.10.1 pip-audit --strict --require-hashes --disable-pip -r requirements.lock

# Write what of docs/ is made of the code: the config reference and the cost table.
reference: _sync
    @.venv/bin/python -m tests.docs

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

# Fuzz what comes from outside, by coverage: `just fuzz`, `just fuzz toml socket --seconds 600`, `just fuzz toml --data HEX` to replay.
fuzz *ARGS: _sync
    @.venv/bin/python -m tests.fuzz "$@"
