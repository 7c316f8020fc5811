"""The project's pages as Markdown has them: fenced blocks, words in code, links and anchors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS]


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind its opening fence as words, and where it begins."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """For a message."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """A page's fenced blocks, in order."""
    found, inside, opened, info = [], list[str](), 0, ""
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if not line.startswith("```"):
            inside.append(line)
        elif opened:
            language, *words = info.split() or [""]
            found.append(Block(page, opened, language, tuple(words), "\n".join(inside) + "\n"))
            opened = 0
        else:
            opened, info, inside = number, line.removeprefix("```"), []
    assert not opened, f"{page}: the block of line {opened} has no end"
    return tuple(found)


def prose(page: Path) -> str:
    """The page without its fenced blocks and without comments."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def spans(page: Path) -> Iterator[str]:
    """What stands between backticks in its prose."""
    yield from re.findall(r"`([^`\n]+)`", prose(page))


def links(page: Path) -> Iterator[str]:
    """Targets of its links and pictures, but those to other hosts."""
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]+`", "", prose(page))):
        if "://" not in target:
            yield target


def anchors(page: Path) -> set[str]:
    """What a heading is linked by, as the sites that show these pages make it."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found
