"""The pages of the documentation, and the blocks in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def name(page: Path) -> str:
    """Path of a page relative to the repository."""
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, *kinds: str) -> Iterator[str]:
    """Fenced blocks of the given kinds."""
    return (body for kind, body in _BLOCK.findall(text_of(page)) if kind in kinds)


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _BLOCK.sub("", text_of(page))
