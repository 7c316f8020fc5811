"""Each relative link and anchor of the pages leads somewhere, and each picture is one that shows as itself."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.docs.pages import PAGES, README, ROOT, anchors, links

PICTURES = sorted((ROOT / "docs" / "images").glob("*.svg"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name}: {link}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{page.name}: {link}, there is {sorted(anchors(file))}"


def test_every_page_is_reached_from_readme() -> None:
    reached, left = set[Path](), [README]
    while left:
        page = left.pop()
        reached.add(page)
        found = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        left += [each for each in found if each.suffix == ".md" and each in PAGES and each not in reached]
    assert reached == set(PAGES)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_has_its_text_as_text_in_light_and_dark_and_nothing_from_elsewhere(picture: Path) -> None:
    text = picture.read_text()
    tree = ElementTree.fromstring(text)
    assert tree.find("{http://www.w3.org/2000/svg}title") is not None
    assert "prefers-color-scheme: dark" in text
    assert not re.findall(r"(?:href|src)=|url\((?!#)|@import|@font-face", text)
    used, styled = set(" ".join(re.findall(r'class="([^"]+)"', text)).split()), set(re.findall(r"\.([a-z]+) \{", text))
    assert used <= styled
