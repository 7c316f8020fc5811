"""Every target keeps its promises: for its seeds, and for what hypothesis makes of bytes. The same ones each time; `just fuzz` looks further."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import named, names

EXAMPLES = 150


@pytest.mark.parametrize("name", names())
def test_the_target_keeps_its_promises(name: str) -> None:
    target = named(name).target
    for data in named(name).SEEDS:
        target(data)

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=120))
    def drawn(data: bytes) -> None:
        target(data)

    drawn()
