"""Paths of the files of a synthetic world, and its small text files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from iota2.testing.classes import LandClass

CONFIG = """\
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
LAYERS = """
userFeat :
{
  patterns : 'ALT,SLP'   # parts of the names of the layers
}
"""

SENSOR_PATHS = {
    "Sentinel2": "s2_path",
    "Landsat8": "l8_path",
    "Sentinel1": "s1_path",
    "userFeat": "user_feat_path",
}
"""Option of the path of each sensor, which is also the name of a property of ``WorldFiles``."""


@dataclass(frozen=True)
class WorldFiles:
    """Paths of the files that ``write_world`` writes."""

    folder: Path

    @property
    def s2_path(self) -> Path:
        """Root of the Sentinel-2 archive: tile folders."""
        return self.folder / "sensor_data"

    @property
    def l8_path(self) -> Path:
        """Root of the Landsat 8 archive: tile folders."""
        return self.folder / "landsat_data"

    @property
    def radar(self) -> Path:
        """Folder of the Sentinel-1 images and their INI file."""
        return self.folder / "radar_data"

    @property
    def s1_path(self) -> Path:
        """INI file of the Sentinel-1 images."""
        return self.radar / "sentinel1.ini"

    @property
    def user_feat_path(self) -> Path:
        """Root of the layers without dates: tile folders."""
        return self.folder / "layers"

    @property
    def ground_truth(self) -> Path:
        """Labelled polygons."""
        return self.folder / "vector_data" / "reference_data.shp"

    @property
    def regions(self) -> Path:
        """The two regions."""
        return self.folder / "vector_data" / "EcoRegion.shp"

    @property
    def nomenclature(self) -> Path:
        """Names of the classes."""
        return self.folder / "nomenclature.txt"

    @property
    def colors(self) -> Path:
        """Colours of the classes."""
        return self.folder / "colorFile.txt"

    @property
    def config(self) -> Path:
        """Configuration of the whole chain."""
        return self.folder / "demo.cfg"

    @property
    def output(self) -> Path:
        """Output folder named in the configuration; not created here."""
        return self.folder / "IOTA2_Outputs" / "Results"


def write_class_tables(classes: Iterable[LandClass], files: WorldFiles) -> None:
    """Write the nomenclature (``name:code``) and the colour table (``code R G B``), sorted by code."""
    classes = sorted(classes, key=lambda c: c.code)
    names = "".join(f"{c.name}:{c.code}\n" for c in classes)
    colors = "".join(f"{c.code} {' '.join(map(str, c.color))}\n" for c in classes)
    files.nomenclature.write_text(names, encoding="utf-8")
    files.colors.write_text(colors, encoding="utf-8")


def write_config(tiles: Iterable[str], files: WorldFiles, sensors: Sequence[str] = ("Sentinel2",)) -> None:
    """Write a configuration of the whole chain for the written files, with absolute paths."""
    files.config.write_text(config_text(tiles, files, sensors), encoding="utf-8")


def demo_config(tiles: Iterable[str], files: WorldFiles, sensors: Sequence[str]) -> str:
    """Configuration of the whole chain with paths relative to its folder, which can be copied and moved."""
    return config_text(tiles, files, sensors, relative=True)


def config_text(tiles: Iterable[str], files: WorldFiles, sensors: Sequence[str], *, relative: bool = False) -> str:
    """Text of a configuration of the whole chain, with absolute paths or paths ``relative`` to its folder."""

    def quoted(path: Path) -> str:
        path = path.relative_to(files.folder) if relative else path
        # A path with a single quote is written in double quotes.
        return f'"{path}"' if "'" in str(path) else f"'{path}'"

    text = CONFIG.format(
        output=quoted(files.output),
        nomenclature=quoted(files.nomenclature),
        colors=quoted(files.colors),
        tiles=" ".join(tiles),
        sensors="\n".join(f"  {SENSOR_PATHS[name]} : {quoted(getattr(files, SENSOR_PATHS[name]))}" for name in sensors),
        ground_truth=quoted(files.ground_truth),
        regions=quoted(files.regions),
    )
    if "userFeat" in sensors:
        text += LAYERS
    return text
