"""The builders: which steps make which chain, in order."""

from __future__ import annotations

from collections.abc import Mapping

from iota2 import layout
from iota2.core.graph import Artifact, Step
from iota2.steps import (
    class_statistics,
    classification,
    common_mask,
    confusion,
    coregistration,
    difference,
    envelopes,
    extraction,
    formatting,
    merge_confusions,
    merge_parts,
    merge_polygons,
    merge_samples,
    mosaic,
    polygon_statistics,
    preprocess,
    recipe,
    reference,
    regions,
    report,
    selection,
    shaping,
    tile_selection,
    training,
    validity,
)

SURVEY: tuple[Artifact, ...] = (layout.SCENE, layout.SCAN_NOTES, layout.LISTING)
"""Files that the survey writes at every start: where the outside world enters."""

CLASSIFICATION: tuple[Step, ...] = (
    recipe.STEP,
    preprocess.STEP,
    coregistration.STEP,
    common_mask.STEP,
    validity.STEP,
    envelopes.STEP,
    regions.STEP,
    reference.STEP,
    formatting.STEP,
    merge_polygons.STEP,
    polygon_statistics.STEP,
    selection.STEP,
    tile_selection.STEP,
    extraction.STEP,
    merge_samples.STEP,
    class_statistics.STEP,
    training.STEP,
    classification.STEP,
    merge_parts.STEP,
    shaping.STEP,
    mosaic.STEP,
    confusion.STEP,
    merge_confusions.STEP,
    difference.STEP,
    report.STEP,
)

NAMES: Mapping[int, str] = {number: step.name for number, step in enumerate(CLASSIFICATION, start=1)}
"""Name of each step by its number, which is the same whatever a configuration makes active."""
NUMBERS: Mapping[str, int] = {name: number for number, name in NAMES.items()}
"""Number of each step by its name."""
