"""The service's log as JSON, as whoever ships it meets it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from actors.sandbox.town import Town
from tests.process import start, wait_until
from tests.world import World


def test_every_line_of_a_run_is_json_and_says_who_when_and_what(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, extra='[log]\nformat = "json"\n[chaos]\nenabled = true\ntoken = "s3cret-token"\nkill_every_secs = 1')
    process = start(world)
    wait_until(lambda: world.marks() is not None, process)
    town.traffic(20)
    town.mine()
    wait_until(world.is_true, process)
    said, out = "", process.stdout
    assert out is not None
    while "actor was killed" not in said and (line := out.readline()):  # a quick machine is done before the first kill
        said += line
    process.send_signal(signal.SIGTERM)
    said += out.read()
    assert process.wait(60) == 0, said
    lines = [json.loads(line) for line in said.splitlines()]
    assert all(list(line)[:4] == ["time", "level", "actor", "event"] for line in lines)
    assert {"starts", "holds the role", "actor was killed, restarts"} <= {line["event"] for line in lines}
    assert next(line for line in lines if line["event"] == "starts")["assets"] == 1


def test_a_level_of_the_config_leaves_out_what_is_below(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, extra='[log]\nlevel = "error"')
    process = start(world)
    wait_until(lambda: world.marks() is not None, process)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[0] == ""
