"""Generate the reference pages from the code.

``python docs/generate.py`` writes the pages. With ``--check`` it writes nothing, and exits with 1 if a page is out of
date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from generators.api import api_page
from generators.classifiers import classifiers_page
from generators.commands import commands_page
from generators.expressions import expressions_page
from generators.options import options_page
from generators.outputs import outputs_page
from generators.sensors import sensors_page
from generators.steps import steps_page

FOLDER = Path(__file__).parent / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "options.md": options_page,
    "classifiers.md": classifiers_page,
    "sensors.md": sensors_page,
    "expressions.md": expressions_page,
    "steps.md": steps_page,
    "outputs.md": outputs_page,
    "commands.md": commands_page,
    "api.md": api_page,
}
"""Function that generates each page, by file name."""


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them with ``--check``; returns the exit code."""
    differing = [name for name, page in PAGES.items() if not _is_current(FOLDER / name, page())]
    if "--check" in arguments:
        for name in differing:
            print(f"docs/reference/{name} is out of date. Run: python docs/generate.py")
        return 1 if differing else 0
    FOLDER.mkdir(exist_ok=True)
    for name in differing:
        (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"docs/reference/{name} written")
    return 0


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
