"""The builder of features maps."""

from __future__ import annotations

from iota2.core.builder import Builder
from iota2.steps.features_map import bands, mosaic, page, parts, statistics, store, strips, tiles
from iota2.steps.prepare import common_mask, coregistration, preprocess, recipe
from iota2.steps.sampling import envelopes

FEATURES_MAP = Builder(
    name="I2FeaturesMap",
    about="Features of every pixel as rasters: bands, indices, expressions and functions of the user.",
    steps=(
        recipe.STEP,
        preprocess.STEP,
        coregistration.STEP,
        common_mask.STEP,
        envelopes.STEP,
        bands.STEP,
        parts.STEP,
        tiles.STEP,
        mosaic.STEP,
        strips.STEP,
        store.STEP,
        statistics.STEP,
        page.STEP,
    ),
    asks=frozenset({"images"}),
    aliases=("i2_features_map",),
    letter="F",
    folders={
        "by_tiles": "The features of each tile, on its grid.",
        "envelope": "Area of the map that each tile contributes; envelopes do not overlap.",
    },
)
