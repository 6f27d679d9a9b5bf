"""The builders: which steps make which chain, in order."""

from __future__ import annotations

from collections.abc import Mapping

from iota2 import layout
from iota2.core.graph import Artifact, Step
from iota2.steps.classification import classification, merge_parts
from iota2.steps.learning import training
from iota2.steps.prepare import common_mask, coregistration, preprocess, recipe, validity
from iota2.steps.products import mosaic, shaping
from iota2.steps.sampling import (
    class_statistics,
    envelopes,
    extraction,
    formatting,
    merge_polygons,
    merge_samples,
    polygon_statistics,
    reference,
    regions,
    selection,
    tile_selection,
)
from iota2.steps.validation import confusion, difference, merge_confusions, report

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
