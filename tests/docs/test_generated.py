"""The pages that are made of the code are what the code gives; `just reference` writes them."""

from __future__ import annotations

import pytest

from actors.config.keys import ARRAYS, TABLES, keys_of
from tests.docs import config_reference, cost_table
from tests.docs.config_reference import FILE, comments_of


@pytest.mark.parametrize("module", [config_reference, cost_table], ids=["config", "costs"])
def test_a_page_is_what_the_code_gives(module: object) -> None:
    page = getattr(module, "PAGE")  # noqa: B009  # either module has one
    assert page.read_text() == getattr(module, "page")(), f"run `just reference`: {page.name} is not what the code gives"  # noqa: B009


def test_every_key_says_what_it_does() -> None:
    said = comments_of(FILE.read_text())
    for name, table in {**TABLES, **ARRAYS}.items():
        for key in keys_of(table):
            assert len(said[f"{name}.{key}"].split()) > 1, f"{name}.{key} has no comment in {FILE.name}"


def test_a_comment_is_told_from_a_sign_in_a_text_and_joined_with_the_lines_above() -> None:
    said = comments_of('# of the file\n\n[[one]] # a table\na = "x # y" # first\n# above\n# it\nb = [\n  { c = 1 }, # inside\n]\nd = 2 # last\n')
    assert said == {"one": "a table", "one.a": "first", "one.b": "above it", "one.d": "last"}
