"""The demo of each builder: its configuration and its further files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from iota2.chains.lookup import find_builders
from iota2.core.words import normalised_name
from iota2.errors import UserError
from iota2.testing import spectral_indices
from iota2.testing.files import SENSOR_PATHS, WorldFiles
from iota2.testing.parcels import write_parcels
from iota2.testing.quantities import write_biomass
from iota2.testing.rasters import write_rasters
from iota2.testing.world import World

CLASSIFICATION = """\
# Land-cover map of a synthetic landscape: two tiles, two eco-climatic regions.
chain :
{{
  output_path : {output}
  nomenclature_path : {nomenclature}   # one name:code per line
  color_table : {colors}   # one "code R G B" per line
  list_tile : '{tiles}'
{sensors}
  ground_truth : {ground_truth}
  data_field : 'code'   # the field of the polygons that contains the class
  region_path : {regions}   # one model for each region
  region_field : 'region'
  spatial_resolution : 10
  proj : 'EPSG:2154'
  last_step : 'validation'
}}

arg_train :
{{
  classifier : 'rf'
  otb_classifier_options : {{ 'classifier.rf.min' : 5, 'classifier.rf.max' : 25,
                              'classifier.rf.nbtrees' : 50 }}
  sample_selection : {{ 'sampler' : 'random', 'strategy' : 'constant', 'strategy.constant.nb' : 300 }}
  runs : 1
  random_seed : 42   # the same map every time
}}

arg_classification :
{{
  classif_mode : 'separate'
  enable_probability_map : True
}}
"""
OBIA = (
    CLASSIFICATION.replace(
        "# Land-cover map of a synthetic landscape: two tiles, two eco-climatic regions.",
        """\
# Land-cover map of a synthetic landscape by segments: groups of similar pixels, computed from the images.
builders :
{{
  builders_class_name : ['I2Obia']
}}
""",
    ).replace("'strategy' : 'constant', 'strategy.constant.nb' : 300", "'strategy' : 'all'")
    + """
obia :
{{
  segment_size : 10   # pixels between the centres of segments
  stats_used : ['mean', 'std']   # features of a segment
}}
"""
)
PARCELS = (
    OBIA[: OBIA.index("\nobia :")]
    .replace(
        "by segments: groups of similar pixels, computed from the images.",
        "by parcels of a farm register.\n"
        "# The classes that farmers declared are the reference data; some of them are wrong.",
    )
    .replace("{ground_truth}", "{parcels}")
    .replace("the polygons that contains", "the parcels that contains")
    + """
obia :
{{
  obia_segmentation_path : {parcels}
  id_field : 'parcel'   # the field of the parcels with their numbers
  stats_used : ['mean', 'std']   # features of a parcel
  full_learn_segment : True   # a parcel is one sample
}}
"""
)
REGRESSION = """\
# Map of a quantity of a synthetic landscape: biomass in tonnes per hectare.
builders :
{{
  builders_class_name : ['I2Regression']
}}

chain :
{{
  output_path : {output}
  list_tile : '{tiles}'
{sensors}
  ground_truth : {biomass}
  data_field : 'biomass'   # the field of the polygons that contains the value
  region_path : {regions}   # one model for each region
  region_field : 'region'
  spatial_resolution : 10
  proj : 'EPSG:2154'
}}

arg_train :
{{
  classifier : 'rf'
  otb_classifier_options : {{ 'classifier.rf.nbtrees' : 50 }}
  sample_selection : {{ 'sampler' : 'random', 'strategy' : 'constant', 'strategy.constant.nb' : 500 }}
  random_seed : 42   # the same map every time
}}
"""
FEATURES_MAP = """\
# Features of every pixel of a synthetic landscape as rasters: bands, indices, and functions of external_code.
builders :
{{
  builders_class_name : ['I2FeaturesMap']
}}

chain :
{{
  output_path : {output}
  list_tile : '{tiles}'
{sensors}
  spatial_resolution : 10
  proj : 'EPSG:2154'
}}

iota2_feature_extraction :
{{
  extract_bands : True   # only the bands in keep_bands
}}

Sentinel_2 :
{{
  temporal_resolution : 30   # days between interpolation dates
  keep_bands : ['B2', 'B3', 'B4', 'B8', 'B11']
}}

external_features :
{{
  module : {external_code}
  functions : ['soil_adjusted', ['ndvi_change', {{'first' : '20180415', 'last' : '20180715'}}], 'ndvi_amplitude']
}}
"""
FEATURES_TILER = """\
# Rasters of a synthetic landscape, cut to the tiles of a grid: layers for the option user_feat_path.
builders :
{{
  builders_class_name : ['I2FeaturesTiler']
}}

chain :
{{
  output_path : {output}
  features_path : {rasters}   # altitude and land cover, in EPSG:2154
  grid : {tile_grid}   # one polygon per tile
  tile_field : 'tile'
  spatial_resolution : 10
  proj : 'EPSG:32631'
}}
"""
LAYERS = """
userFeat :
{
  patterns : 'ALT,SLP'   # parts of the names of the layers
}
"""


def _write_nothing(_world: World, _files: WorldFiles) -> None:
    """The demo has no further files."""


def _write_external_code(_world: World, files: WorldFiles) -> None:
    """Write functions of the user."""
    files.external_code.parent.mkdir(exist_ok=True)
    shutil.copyfile(spectral_indices.__file__, files.external_code)


@dataclass(frozen=True)
class Demo:
    """The demo of a builder."""

    text: str
    """Configuration, with names in braces for the paths of ``WorldFiles``, the tiles and the sensors."""
    config_name: str = WorldFiles.config_name
    output_name: str = WorldFiles.output_name
    write_more: Callable[[World, WorldFiles], object] = _write_nothing
    """Writes the files that the configuration names, besides images, polygons and tables of classes."""

    def files(self, folder: Path) -> WorldFiles:
        """The paths of the demo in a folder."""
        return WorldFiles(Path(folder).absolute(), self.config_name, self.output_name)


DEMOS: Mapping[str, Demo] = {
    "I2Classification": Demo(CLASSIFICATION),
    "I2Obia": Demo(OBIA, "i2_tutorial_obia.cfg", "Results_obia"),
    "parcels": Demo(PARCELS, "i2_tutorial_parcels.cfg", "Results_parcels", write_more=write_parcels),
    "I2Regression": Demo(REGRESSION, "i2_tutorial_regression.cfg", "Results_regression", write_more=write_biomass),
    "I2FeaturesMap": Demo(
        FEATURES_MAP, "i2_tutorial_features_map.cfg", "Results_features_map", write_more=_write_external_code
    ),
    "I2FeaturesTiler": Demo(
        FEATURES_TILER, "i2_tutorial_features_tiler.cfg", "Results_features_tiler", write_more=write_rasters
    ),
}
"""The demo of each builder, by its name, and a second one of ``I2Obia``, ``parcels``.

Demos differ in the names of their configurations and output folders."""


def demo_of(name: str) -> Demo:
    """The demo with this name, or of the builder with this name or alias; its prefix ``I2`` may be omitted.

    UserError if there is none.
    """
    for known, demo in DEMOS.items():
        if normalised_name(name) == normalised_name(known):
            return demo
    full = name if normalised_name(name).startswith("i2") else f"I2{name}"
    try:
        (builder,) = find_builders([full])
    except UserError as err:
        raise UserError(f"--builder {name}: {err} (demos: {', '.join(DEMOS)})") from err
    if builder.name not in DEMOS:
        raise UserError(f"--builder {name}: there is no demo of {builder.name}; expected one of {', '.join(DEMOS)}")
    return DEMOS[builder.name]


def write_config(tiles: Iterable[str], files: WorldFiles, sensors: Sequence[str] = ("Sentinel2",)) -> None:
    """Write a configuration of the classification for the written files, with absolute paths."""
    files.config.write_text(config_text(CLASSIFICATION, tiles, files, sensors), encoding="utf-8")


def config_text(
    text: str, tiles: Iterable[str], files: WorldFiles, sensors: Sequence[str], *, relative: bool = False
) -> str:
    """The text of a demo with its paths: absolute, or ``relative`` to the folder of the files."""

    def quoted(path: Path) -> str:
        path = path.relative_to(files.folder) if relative else path
        # A path with a single quote is written in double quotes.
        return f'"{path}"' if "'" in str(path) else f"'{path}'"

    filled = text.format(
        output=quoted(files.output),
        nomenclature=quoted(files.nomenclature),
        colors=quoted(files.colors),
        tiles=" ".join(tiles),
        sensors="\n".join(f"  {SENSOR_PATHS[name]} : {quoted(getattr(files, SENSOR_PATHS[name]))}" for name in sensors),
        ground_truth=quoted(files.ground_truth),
        parcels=quoted(files.parcels),
        biomass=quoted(files.biomass),
        regions=quoted(files.regions),
        external_code=quoted(files.external_code),
        rasters=quoted(files.rasters),
        tile_grid=quoted(files.tile_grid),
    )
    # The section of the layers belongs to configurations that name sensors.
    return filled + LAYERS if "userFeat" in sensors and "{sensors}" in text else filled
