"""Every output file of the original iota2 is written here, or named among the differences."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest

from iota2 import layout
from iota2.chains.classification import CLASSIFICATION
from tests.docs.helpers import ROOT, text_of

KNOWN = text_of(ROOT / "tests/docs/known_tree.txt").split()
"""Output files in the tutorial of the original iota2: one tile, one region, one run; shapefiles by their main file."""
VALUES = {
    "tile": "T31TCJ", "part": "0", "strip": "0", "sensor": "Sentinel2", "raster": "dem", "region": "1", "seed": "0",
    "submodel": "",
    "square": "0_0", "area": "all", "outprefix": "dept",
    "source": "", "region_base": "MyRegion",
    "cloud": "0", "samples": "sqlite", "features_map": "features_map",
}  # fmt: skip


def _written() -> set[str]:
    """Files and folders of such a run."""
    logs = [f"logs/{step.name}/{step.task}.out" for step in CLASSIFICATION.steps]
    files = {path.format_map(VALUES) for path in [*(artifact.path for artifact in layout.artifacts()), *logs]}
    return files | {f"{folder}/" for folder in (*layout.FOLDERS, *CLASSIFICATION.folders)}


def _explained() -> list[str]:
    """Patterns in the first table of differences of the page."""
    page = text_of(ROOT / "docs/reference/outputs.md").partition("## Differences from the original iota2")[2]
    return re.findall(r"^\| `([^`]+)` \|", page.partition("These files have different content")[0], re.MULTILINE)


@pytest.mark.parametrize("path", KNOWN)
def test_a_known_file_is_written_or_explained(path: str) -> None:
    assert path in _written() or any(fnmatch(path, pattern) for pattern in _explained())


def test_no_written_file_is_listed_as_missing() -> None:
    assert [p for p in _explained() if any(fnmatch(path, p) for path in _written())] == []


def test_every_artifact_has_a_line_on_the_page() -> None:
    page = text_of(ROOT / "docs/reference/outputs.md")
    assert [artifact.path for artifact in layout.artifacts() if f"`{artifact.path}`" not in page] == []
