"""The builder of land-cover classifications with confidence, validity and accuracy."""

from __future__ import annotations

from iota2.core.builder import Builder
from iota2.steps.classification import classification, merge_parts
from iota2.steps.learning import model_confusion, reduction, training
from iota2.steps.prepare import common_mask, coregistration, preprocess, recipe, validity
from iota2.steps.products import mosaic, regularisation, shaping, smoothing
from iota2.steps.sampling import (
    augmentation,
    class_statistics,
    copying,
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
from iota2.steps.validation import (
    confusion,
    confusion_figure,
    difference,
    importance,
    map_stages,
    merge_confusions,
    report,
    validation_samples,
)

STEPS = (
    recipe.STEP,
    preprocess.STEP,
    coregistration.STEP,
    common_mask.STEP,
    validity.STEP,
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
    validation_samples.STEP,
    copying.STEP,
    augmentation.STEP,
    reduction.STEP,
    training.STEP,
    model_confusion.STEP,
    classification.STEP,
    merge_parts.STEP,
    merge_parts.FUSION_STEP,
    merge_parts.SAR_STEP,
    merge_parts.BLENDING_STEP,
    smoothing.STEP,
    shaping.STEP,
    mosaic.STEP,
    regularisation.STEP,
    confusion.STEP,
    merge_confusions.STEP,
    confusion_figure.STEP,
    difference.STEP,
    importance.STEP,
    map_stages.STEP,
    report.STEP,
)

FOLDERS = {
    "classif": "Classifications per tile, model and seed, on the grid of each tile.",
    "classif/MASK": "Area of each tile in which each model is applied.",
    "classif/tmpClassif": "Classifications per part of a tile, model and seed.",
    "config_model": "Classes of the map, and notes on the reference data.",
    "dataAppVal": "Reference polygons of each tile, split between learning and validation.",
    "dataAppVal/bymodels": "Confusion matrices of the models; empty without Dempster-Shafer fusion of models.",
    "dataRegion": "Empty: kept for scripts that expect the folder.",
    "dimRed": "Dimension reduction of the features; empty without `dim_red`.",
    "envelope": "Area of the map that each tile contributes; envelopes do not overlap.",
    "final/simplification": "Empty: for the vectorisation.",
    "final/simplification/mosaic": "Empty: for the vectorisation.",
    "final/simplification/tiles": "Empty: for the vectorisation.",
    "final/simplification/tmp": "Empty: for the vectorisation.",
    "final/simplification/vectors": "Empty: for the vectorisation.",
    "final/vectors": "Empty: for the vectorisation.",
    "formattingVectors": "Reference polygons cut by tile, region and validity.",
    "learningSamples": "Samples with their feature values.",
    "model": "The trained models.",
    "samplesSelection": "Pixels selected for learning, and their number by class.",
    "shapeRegion": "Intersections of regions and tiles.",
    "stats": "Statistics of the features; empty unless the classifier standardises them.",
}
"""Folders that are always created in the output folder, with descriptions."""

CLASSIFICATION = Builder(
    name="I2Classification",
    about="A map of classes with confidence, validity and a report on its accuracy.",
    steps=STEPS,
    asks=frozenset({"images", "regions", "reference", "classes"}),
    aliases=("i2_classification",),
    letter="C",
    folders=FOLDERS,
)
