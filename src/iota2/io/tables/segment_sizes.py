"""JSON file with number and size of the segments of a run."""

from __future__ import annotations

import json
import math
from pathlib import Path

from iota2.compute.segment_sizes import SegmentSizes
from iota2.io.files.atomic import write_json


def write_segment_sizes(sizes: SegmentSizes, path: Path) -> None:
    """Write the numbers; the median is null without segments."""
    median = None if math.isnan(sizes.median) else sizes.median
    write_json(path, {"segments": sizes.count, "median_pixels": median, "tiles": dict(sizes.tiles)})


def read_segment_sizes(path: Path) -> SegmentSizes:
    """The numbers that ``write_segment_sizes`` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    median = content["median_pixels"]
    return SegmentSizes(content["tiles"], math.nan if median is None else median)
