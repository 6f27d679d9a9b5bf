"""Files in which the survey passes the rasters of the user to the jobs."""

from __future__ import annotations

import json
from pathlib import Path

from iota2.core.user_raster import RasterSource

FINGERPRINT = "fingerprint"
"""Key of the fingerprint of the raster: jobs that read a changed raster run again."""

_NONE = "none"


def source_to_plain(source: RasterSource, fingerprint: str) -> dict[str, str]:
    """A raster as texts for JSON, which has no NaN, with the fingerprint of its file."""
    return {
        "path": source.path,
        "resampling": source.resampling,
        "nodata": _NONE if source.nodata is None else repr(source.nodata),
        FINGERPRINT: fingerprint,
    }


def read_source(path: Path) -> RasterSource:
    """The raster from a file with the content of ``source_to_plain``."""
    content = json.loads(path.read_text(encoding="utf-8"))
    nodata = None if content["nodata"] == _NONE else float(content["nodata"])
    return RasterSource(content["path"], content["resampling"], nodata)
