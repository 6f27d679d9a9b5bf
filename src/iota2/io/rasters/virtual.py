"""Virtual rasters (VRT): one raster of several files side by side, without a copy of their pixels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from iota2.core.grid import crs_name
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterProfile, RasterReader, position_on

_GDAL_TYPES = {"uint8": "Byte", "int16": "Int16", "uint16": "UInt16", "float32": "Float32"}


def write_virtual(path: Path, profile: RasterProfile, files: Sequence[Path]) -> None:
    """Write a VRT of ``files``, which have the bands and aligned pixels of the profile's grid and do not overlap.

    The VRT refers to them by relative paths. Pixels outside all files are nodata.
    """
    height, width = profile.geobox.shape
    root = Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    SubElement(root, "SRS").text = crs_name(profile.geobox)
    SubElement(root, "GeoTransform").text = ", ".join(f"{value:.17g}" for value in profile.geobox.affine.to_gdal())
    sources = [_Source(file, path, profile) for file in files]
    for band in range(profile.count):
        _add_band(root, band, profile, sources)
    indent(root)
    write_text(path, tostring(root, encoding="unicode") + "\n")


class _Source:
    """A file of a virtual raster: its relative path, size and position."""

    def __init__(self, file: Path, path: Path, profile: RasterProfile) -> None:
        with RasterReader(file) as reader:
            self.rows, self.cols = map(int, reader.geobox.shape)
            self.top, self.left = position_on(reader.geobox, profile.geobox)
        self.name = os.path.relpath(file, path.parent)

    def add_to(self, parent: Element, band: int) -> None:
        source = SubElement(parent, "SimpleSource")
        SubElement(source, "SourceFilename", relativeToVRT="1").text = self.name
        SubElement(source, "SourceBand").text = str(band + 1)
        for name, left, top in (("SrcRect", 0, 0), ("DstRect", self.left, self.top)):
            place = {"xOff": left, "yOff": top, "xSize": self.cols, "ySize": self.rows}
            SubElement(source, name, {key: str(value) for key, value in place.items()})


def _add_band(root: Element, band: int, profile: RasterProfile, sources: Sequence[_Source]) -> None:
    """Add one band with its description and metadata items, if there are any."""
    kind = _GDAL_TYPES[np.dtype(profile.dtype).name]
    node = SubElement(root, "VRTRasterBand", dataType=kind, band=str(band + 1))
    if profile.band_tags:
        items = SubElement(node, "Metadata")
        for key, value in profile.band_tags[band].items():
            SubElement(items, "MDI", key=key).text = value
    if profile.descriptions:
        SubElement(node, "Description").text = profile.descriptions[band]
    if profile.nodata is not None:
        SubElement(node, "NoDataValue").text = f"{profile.nodata:.17g}"
    for source in sources:
        source.add_to(node, band)
