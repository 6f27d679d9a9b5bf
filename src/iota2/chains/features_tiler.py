"""The builder that cuts rasters of the user to tiles, for ``userFeat``."""

from __future__ import annotations

from iota2.core.builder import Builder
from iota2.steps.prepare import feature_tiles

FEATURES_TILER = Builder(
    name="I2FeaturesTiler",
    about="Rasters of the user on the grids of tiles, to be used as `chain.user_feat_path`.",
    steps=(feature_tiles.STEP,),
    asks=frozenset({"grid"}),
    aliases=("i2_features_tiler",),
    letter="T",
)
