"""Step: bands, dates and data type of the features map, the same for all tiles."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.config.feature_maps import MapParams, map_of, map_params, unknown_sensors
from iota2.config.options.schema import Config
from iota2.core.cost import Facts
from iota2.core.feature_map import FeatureMap
from iota2.core.graph import Finding, JobContext, Step
from iota2.core.remarks import Remark
from iota2.core.words import counted, size_text, some
from iota2.errors import InputError, InputProblems
from iota2.io.files.atomic import write_json
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.recipes import read_recipe

LARGE_MAP_BYTES = 100e9
"""Bytes of a features map above which `plan` advises to write fewer features."""


def run(job: JobContext[MapParams]) -> None:
    """Write the description of the map."""
    scenes = {key.tile: read_scene(path) for key, path in job.inp.each("scene")}
    write_json(job.out.bands, map_of(read_recipe(job.inp.recipe), scenes, job.params).to_json())


def check(config: Config, facts: Facts) -> list[Finding]:
    """Problems of the options of the map."""
    unknown = [Finding(text, option) for option, text in unknown_sensors(config)]
    if unknown or not facts.recipe.sensors:
        return unknown
    try:
        layers = map_of(facts.recipe, facts.scenes, map_params(config))
    except InputProblems as err:
        return [Finding(text, option) for option, text in err.found]
    except InputError as err:
        return [Finding(str(err), ("sensors_data_interpolation", "use_gapfilling"))]
    found = [Finding.about(Remark(_size(layers, facts.all_pixels), "extent"))]
    written = {one.name for one in layers.recipes[0].functions}
    if unwritten := [one.name for one in facts.recipe.functions if one.name not in written]:
        text = f"features_map.sensors: {some(unwritten)} of external_features read other sensors and are not written"
        found.append(Finding.about(Remark(text, "options")))
    if config.features_map.raw_series and len(layers.recipes) == 1:
        text = "features_map.raw_series has no effect: there are no raw series beside interpolated ones"
        found.append(Finding.about(Remark(text, "options")))
    return found


def _size(layers: FeatureMap, pixels: int) -> str:
    """A sentence on the size of the map, with advice if it is large."""
    size = pixels * len(layers.bands) * np.dtype(layers.dtype).itemsize
    text = (
        f"The features map has {counted(len(layers.bands), 'band')} of {layers.dtype}: about {size_text(size)} before "
        "compression, once in the files of the tiles and once in the map."
    )
    if size < LARGE_MAP_BYTES:
        return text
    return (
        f"{text} Fewer features make it smaller: keep_bands of the sensors with extract_bands, copy_input, "
        "arg_train.features, temporal_resolution, and start_date and end_date with auto_date False."
    )


STEP = Step(
    name="mapBands",
    group="features",
    about="Define the bands of the features map.",
    task="map_bands",
    run=run,
    over=(),
    needs={"scene": layout.SCENE, "recipe": layout.RECIPE},
    makes={"bands": layout.MAP_BANDS},
    params=map_params,
    check=check,
)
