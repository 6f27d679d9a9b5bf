"""Rasters of the options of ``simplification``: file in which the survey passes them to the jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from iota2.io.rasters.raster_source import FINGERPRINT

_PATH = "path"


def map_source_text(paths: Mapping[str, str], fingerprints: Mapping[str, str]) -> str:
    """The rasters by option as JSON, with the fingerprints of their files by path."""
    plain = {option: {_PATH: path, FINGERPRINT: fingerprints[path]} for option, path in paths.items()}
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def read_map_source(path: Path) -> dict[str, Path]:
    """Paths of the given rasters by option, from a file with the content of ``map_source_text``."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {option: Path(one[_PATH]) for option, one in content.items()}


def fingerprints_by_path(text: str) -> dict[str, str]:
    """The fingerprints by path from the content of such a file."""
    return {one[_PATH]: one[FINGERPRINT] for one in json.loads(text).values()}
