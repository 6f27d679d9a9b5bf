"""Paths of the files of a synthetic world, and its tables of classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from iota2.testing.classes import LandClass

SENSOR_PATHS = {
    "Sentinel2": "s2_path",
    "Landsat8": "l8_path",
    "Sentinel1": "s1_path",
    "userFeat": "user_feat_path",
}
"""Option of the path of each sensor, which is also the name of a property of ``WorldFiles``."""


@dataclass(frozen=True)
class WorldFiles:
    """Paths of the files of a world in a folder."""

    folder: Path
    config_name: str = "demo.cfg"
    """Name of the configuration; by default that of the classification."""
    output_name: str = "Results"
    """Name of the output folder in ``IOTA2_Outputs``."""

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
    def external_code(self) -> Path:
        """Python file with functions that compute features."""
        return self.folder / "external_code" / "spectral_indices.py"

    @property
    def rasters(self) -> Path:
        """Folder of rasters that are not cut to tiles."""
        return self.folder / "rasters"

    @property
    def tile_grid(self) -> Path:
        """Polygons of the tiles."""
        return self.folder / "vector_data" / "tile_grid.shp"

    @property
    def parcels(self) -> Path:
        """Parcels of a farm register with their declared classes."""
        return self.folder / "vector_data" / "parcels.gpkg"

    @property
    def parcels_truth(self) -> Path:
        """True classes of the parcels."""
        return self.folder / "vector_data" / "parcels_truth.csv"

    @property
    def biomass(self) -> Path:
        """Polygons with the biomass of their field."""
        return self.folder / "vector_data" / "biomass.shp"

    @property
    def config(self) -> Path:
        """Configuration."""
        return self.folder / self.config_name

    @property
    def output(self) -> Path:
        """Output folder named in the configuration; not created here."""
        return self.folder / "IOTA2_Outputs" / self.output_name


def write_class_tables(classes: Iterable[LandClass], files: WorldFiles) -> None:
    """Write the nomenclature (``name:code``) and the colour table (``code R G B``), sorted by code."""
    classes = sorted(classes, key=lambda c: c.code)
    names = "".join(f"{c.name}:{c.code}\n" for c in classes)
    colors = "".join(f"{c.code} {' '.join(map(str, c.color))}\n" for c in classes)
    files.nomenclature.write_text(names, encoding="utf-8")
    files.colors.write_text(colors, encoding="utf-8")
