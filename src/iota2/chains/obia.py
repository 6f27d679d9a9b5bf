"""The builder of classifications of segments."""

from __future__ import annotations

from dataclasses import replace

from iota2 import layout
from iota2.chains.classification import FOLDERS
from iota2.config.options.schema import Config
from iota2.core.builder import Builder, filled
from iota2.core.cost import Cost, JobFacts
from iota2.steps.learning import reduction, training
from iota2.steps.objects import (
    all_polygons,
    classes,
    doubtful,
    independent,
    labelled,
    labels,
    merging,
    outlines,
    picture,
    polygons,
    samples,
    segmentation,
    shared,
    shared_values,
    sizes,
    validation,
    values,
)
from iota2.steps.prepare import (
    common_mask,
    coregistration,
    preprocess,
    recipe,
    superpixel_components,
    superpixel_features,
    superpixels,
    validity,
    whole_tile_features,
)
from iota2.steps.prepare.superpixels import SuperpixelParams
from iota2.steps.products import mosaic, regularisation, shaping, smoothing
from iota2.steps.sampling import (
    augmentation,
    class_statistics,
    copying,
    envelopes,
    formatting,
    merge_polygons,
    reference,
    regions,
)
from iota2.steps.validation import (
    confusion,
    confusion_figure,
    difference,
    map_stages,
    merge_confusions,
    merge_runs,
    merge_runs_accuracy,
    merge_runs_confusion,
    report,
)


def _slic_params(config: Config) -> SuperpixelParams:
    """Size and shape of computed segments."""
    return SuperpixelParams(config.obia.slic)


def _slic_cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of computed segments of this size."""
    return superpixels.slic_cost(config.obia.slic, facts)


SEGMENT_FEATURES = replace(
    superpixel_features.STEP,
    name="segmentFeatures",
    group="init",
    about="Compute features of some pixels of each tile, from which segments are computed.",
    task="segment_features_{tile}",
    makes={"pixels": layout.SLIC_FEATURES},
    when=layout.with_computed_segments,
)
SEGMENT_COMPONENTS = replace(
    superpixel_components.STEP,
    name="segmentComponents",
    group="init",
    about="Fit the principal components from which segments are computed.",
    task="segment_components",
    needs={"recipe": layout.RECIPE, "pixels": layout.SLIC_FEATURES},
    makes={"components": layout.SLIC_COMPONENTS},
    when=layout.with_computed_segments,
)
SLIC = replace(
    superpixels.STEP,
    name="slic",
    group="init",
    about="Compute the segments of each tile.",
    task="slic_{tile}",
    needs={**layout.FEATURE_IMAGES, "recipe": layout.RECIPE, "components": layout.SLIC_COMPONENTS},
    makes={"raster": layout.SLIC},
    when=layout.with_computed_segments,
    params=_slic_params,
    cost=_slic_cost,
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
    merge_polygons.STEP,
    SEGMENT_FEATURES,
    SEGMENT_COMPONENTS,
    SLIC,
    segmentation.STEP,
    shared.STEP,
    sizes.STEP,
    labelled.STEP,
    values.STEP,
    merging.STEP,
    shared_values.STEP,
    labels.STEP,
    samples.STEP,
    class_statistics.STEP,
    copying.STEP,
    augmentation.STEP,
    reduction.STEP,
    training.STEP,
    classes.STEP,
    smoothing.STEP,
    shaping.STEP,
    mosaic.STEP,
    regularisation.STEP,
    outlines.STEP,
    polygons.STEP,
    all_polygons.STEP,
    confusion.STEP,
    merge_confusions.STEP,
    confusion_figure.STEP,
    validation.STEP,
    independent.STEP,
    doubtful.STEP,
    picture.STEP,
    difference.STEP,
    map_stages.STEP,
    merge_runs.STEP,
    regularisation.FUSION_STEP,
    merge_runs_confusion.STEP,
    merge_runs_accuracy.STEP,
    report.STEP,
)
"""Steps of the builder."""

OBIA = Builder(
    name="I2Obia",
    about="A land-cover map of segments, from the user's file or computed, with confidence, validity and accuracy.",
    steps=STEPS,
    asks=frozenset({"images", "regions", "reference", "classes"}),
    aliases=("i2_obia",),
    letter="O",
    folders={**filled(FOLDERS, STEPS), "segmentation": "Segments, their features and their classes."},
)
