"""The builder of maps of a quantity: values, widths of their intervals, and accuracy."""

from __future__ import annotations

from iota2.chains.classification import FOLDERS
from iota2.core.builder import Builder, filled
from iota2.steps.learning import reduction, training
from iota2.steps.prepare import common_mask, coregistration, preprocess, recipe, validity, whole_tile_features
from iota2.steps.regression import mosaic, prediction, report, shaping, validation
from iota2.steps.sampling import (
    class_statistics,
    envelopes,
    extraction,
    formatting,
    merge_extraction,
    merge_polygons,
    merge_samples,
    polygon_statistics,
    reference,
    region_weights,
    regions,
    selection,
    tile_selection,
)

STEPS = (
    recipe.STEP,
    preprocess.STEP,
    coregistration.STEP,
    common_mask.STEP,
    validity.STEP,
    whole_tile_features.STEP,
    envelopes.STEP,
    regions.STEP,
    reference.STEP,
    formatting.STEP,
    region_weights.STEP,
    merge_polygons.STEP,
    polygon_statistics.STEP,
    selection.STEP,
    tile_selection.STEP,
    extraction.STEP,
    merge_extraction.STEP,
    merge_samples.STEP,
    class_statistics.STEP,
    reduction.STEP,
    training.STEP,
    prediction.STEP,
    shaping.STEP,
    mosaic.STEP,
    validation.STEP,
    report.STEP,
)
"""Steps of the builder."""

REGRESSION = Builder(
    name="I2Regression",
    about="A map of a quantity, such as a height or a yield, with the uncertainty of its values and their accuracy.",
    steps=STEPS,
    asks=frozenset({"images", "regions", "reference", "quantity"}),
    aliases=("i2_regression",),
    letter="R",
    folders=filled(FOLDERS, STEPS),
)
