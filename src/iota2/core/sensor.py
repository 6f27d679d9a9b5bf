"""Sensor descriptions as values: the content of one ``sensors/<name>.yaml``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class BandSpec:
    """One spectral band: its name in features, its file, its role in indices."""

    name: str
    file: str
    """Glob relative to the product folder, e.g. ``*_FRE_B2.tif``; must match one file."""
    role: Literal["red", "nir", "swir"] | None = None
    index: int = 1
    """Band number inside the file, from 1."""
    id: str = ""
    """Name of the band in the product's metadata; empty when these are not read."""
    assets: tuple[str, ...] = ()
    """Names of the band in STAC items: the first that an item has is used; the band's own name is the last choice."""
    nodata: float | None = None
    """No-data value of the band in file units, when it differs from that of the sensor."""


@dataclass(frozen=True)
class MaskRule:
    """Rule for invalid pixels of one date, from one mask file.

    Without ``bits`` and ``values``, any value but 0 is invalid. ``edge`` marks the mask of pixels outside the image:
    the footprint of a tile is the area where at least one date is clear of its edge masks.
    """

    name: str
    file: str
    bits: tuple[int, ...] = ()
    """Invalid when any of these bits (from 0) is set."""
    values: tuple[int, ...] = ()
    """Invalid when the value is one of these."""
    edge: bool = False
    optional: bool = False
    """Products without this file have no invalid pixels inside their images; without any mask, or without any of the
    possible edge masks, valid pixels are those where the reference band has data."""
    alternatives: tuple[str, ...] = ()
    """Globs searched, in this order, in products without a file that matches ``file``."""
    spare: bool = False
    """When no product of a tile has the mask, it is read as if it were ``optional``. When some have it, products
    without it are incomplete."""
    instead_of: str = ""
    """The mask that this one replaces in products without it; this mask may be missing too."""
    assets: tuple[str, ...] = ()
    """Names of the mask in STAC items; its own name is the last choice."""


@dataclass(frozen=True)
class MetadataSpec:
    """Elements of a product's XML metadata that convert file values to product units.

    Product units = (file value + offset) / quantification x 10000. Elements are named without their namespace, by
    patterns: ``*`` stands for any characters.
    """

    file: str
    """Glob relative to the product folder; must match one file."""
    quantification: str
    """Element with the divisor."""
    offset: str = ""
    """Elements with the number to add, one for each band; their attribute ``band_id`` is the band's ``id``. Products
    without such elements have the offset 0."""


@dataclass(frozen=True)
class LookAlike:
    """Products of another kind with names similar to those of a sensor."""

    name: str
    """Regular expression that matches their names from the start."""
    kind: str
    """Kind of the products and what is needed instead, in words: ``of level L1C; L2A is needed``."""


@dataclass(frozen=True)
class SeriesBy:
    """How the names of a sensor's products tell the series apart that are made of them."""

    group: str
    """Named group of ``product``: each of its values makes a series."""
    values: tuple[tuple[str, str], ...]
    """Each value as names have it, whatever the case, and in words, in the order of features: ``ASC``, ascending."""
    names: str = ""
    """Glob, with ``{}`` for the value, of further files of a series, which the others pass over."""


UNLISTED = 1000
"""Position of a sensor without a declared position: after the others."""


@dataclass(frozen=True)
class SensorOption:
    """The key of ``chain`` that enables a built-in sensor."""

    key: str
    """As written in configurations: ``s2_path``."""
    holds: str
    """Content of the folder in words: ``Sentinel-2 level 2A products (THEIA)``."""
    listed: int = UNLISTED
    """Position of the key in lists of options."""
    place: int = UNLISTED
    """Position of the sensor in the order of features."""


@dataclass(frozen=True)
class SensorSpec:
    """One sensor: location, naming and content of its products."""

    name: str
    """Class name, the prefix of feature and file names: ``Sentinel2``."""
    section: str
    """The configuration section with its options: ``Sentinel_2``."""
    product: str
    """Regular expression of product names with the group ``date`` (YYYYMMDD, or YYYYDDD with the day of the year) and
    an optional group ``tile``. A sensor without dates has no group ``date``. Groups ``version``, ``version_2`` …
    distinguish versions of one acquisition, the most significant first. For files side by side, groups ``kind``,
    ``kind_2`` … must be equal in the whole series."""
    bands: tuple[BandSpec, ...]
    masks: tuple[MaskRule, ...]
    nodata: float | None = None
    """No-data value of bands, in file units."""
    scale: float = 1.0
    offset: float = 0.0
    """Product units = file value x scale + offset, unless metadata define them."""
    metadata: MetadataSpec | None = None
    """Scale and offset from the metadata of each product."""
    platforms: tuple[str, ...] = ()
    """Satellites of the sensor in STAC items, without the last letter: ``sentinel-2``; empty for any."""
    pieces: str = ""
    """Glob relative to the product folder, for an entry whose name distinguishes the pieces of one acquisition, such as
    the two products of a tile at the border of datastrips; empty without pieces."""
    products: Literal["folders", "files"] = "folders"
    """A product is a folder of files, or a group of files in the tile's folder with the same group ``product`` of the
    regular expression."""
    varying_extent: bool = False
    """Files of different dates have aligned pixels, but possibly different extents."""
    tile_folder: str = "{tile}"
    """Name of the tile's folder; ``{mgrs}`` is the name of the tile without its leading T."""
    spectral: bool = True
    """Bands are reflectances: spectral indices and relative reflectances can be computed."""
    example: str = ""
    """An example of a product name, for messages."""
    static: bool = False
    """Layers without dates, such as altitudes: their values are features."""
    resampling: Literal["cubic", "bilinear", "nearest"] = "cubic"
    temporal_resolution: int = 10
    """Default step, in days, of the interpolation dates."""
    reference_band: str = ""
    """The band whose grid is the tile's native grid; the first band when empty."""
    file_nodata: Literal["honoured", "ignored"] = "honoured"
    """Whether pixels with the value of the file's nodata tag are missing, in addition to those of ``nodata``."""
    missing: tuple[float, ...] = ()
    """Further no-data values in the files of all bands."""
    ignore: tuple[str, ...] = ()
    """Globs of entries in a tile folder that are ignored silently."""
    mistaken_for: tuple[LookAlike, ...] = ()
    """Products that users take for those of the sensor; the first match is reported."""
    series_by: SeriesBy | None = None
    """How several series are made of the products; None for one."""
    only: str = ""
    """The value of ``series_by`` that products have, for one of several series; empty for all products."""
    option: SensorOption | None = None
    """The option that enables the sensor; None for a user-defined sensor."""

    def match(self, name: str) -> re.Match[str] | None:
        """How ``product`` matches the name of a product, or a file of one; None for that of another series too."""
        match = re.match(self.product, name)
        others = match and self.only and self.series_by and (match[self.series_by.group] or "").upper() != self.only
        return None if others else match

    @property
    def series(self) -> tuple[SensorSpec, ...]:
        """The series that are made of the products: itself, or one for each value of ``series_by``."""
        return tuple(self.of(value) for value, _ in self.series_by.values) if self.series_by else (self,)

    def of(self, value: str) -> SensorSpec:
        """The series of one value of ``series_by``: ``sentinel1_asc`` of ``ASC``."""
        ignore = (*self.ignore, *self._others(value))
        return replace(self, name=f"{self.name}_{value.lower()}", only=value, ignore=ignore)

    def _others(self, value: str) -> list[str]:
        """Globs of the further files of the series of other values."""
        if self.series_by is None or not self.series_by.names:
            return []
        return [self.series_by.names.format(other) for other, _ in self.series_by.values if other != value]

    def matches_other_series(self, name: str) -> bool:
        """Whether a name is that of a product of another series."""
        return bool(self.only) and self.match(name) is None and re.match(self.product, name) is not None

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands, in feature order."""
        return tuple(band.name for band in self.bands)

    @property
    def main_masks(self) -> tuple[MaskRule, ...]:
        """The masks without alternatives of others."""
        return tuple(mask for mask in self.masks if not mask.instead_of)

    def alternatives_of(self, mask: str) -> tuple[MaskRule, ...]:
        """The alternatives of a mask, in order."""
        return tuple(one for one in self.masks if one.instead_of == mask)

    @property
    def with_alternative_masks(self) -> SensorSpec:
        """The sensor with an additional mask for each alternative of a mask: its files may have another grid."""
        more = [
            replace(mask, name=f"{mask.name}_{number}", file=file, alternatives=(), assets=(), instead_of=mask.name)
            for mask in self.masks
            for number, file in enumerate(mask.alternatives, start=2)
        ]
        return replace(self, masks=(*self.masks, *more))

    def lacking(self, found: Collection[str]) -> tuple[BandSpec | MaskRule, ...]:
        """Bands and masks missing in a product with the bands and masks ``found``."""
        needed: list[BandSpec | MaskRule] = [*self.bands, *(mask for mask in self.main_masks if not mask.optional)]
        return tuple(
            part
            for part in needed
            if part.name not in found and not any(one.name in found for one in self.alternatives_of(part.name))
        )

    @property
    def parts(self) -> tuple[BandSpec | MaskRule, ...]:
        """All bands and masks, bands first."""
        return (*self.bands, *self.masks)

    def folder_of(self, tile: str) -> str:
        """Name of a tile's folder."""
        return self.tile_folder.format(tile=tile, mgrs=tile.removeprefix("T"))

    def nodata_of(self, band: str) -> float | None:
        """No-data value of a band."""
        own = next((b.nodata for b in self.bands if b.name == band), None)
        return self.nodata if own is None else own

    @property
    def roles(self) -> Mapping[str, str]:
        """Role (red, nir, swir) to band name."""
        return {band.role: band.name for band in self.bands if band.role}

    @property
    def reference(self) -> BandSpec:
        """The band that defines the native grid."""
        return next((b for b in self.bands if b.name == self.reference_band), self.bands[0])


@dataclass(frozen=True)
class SensorOptions:
    """Options of one enabled sensor."""

    spec: SensorSpec
    source: Path | str
    """Folder of the products, with one folder per tile; with ``stac``, the source of the run's STAC items."""
    temporal_resolution: int
    """Days between interpolation dates."""
    start_date: date | None = None
    end_date: date | None = None
    """First and last day of the season; None to derive it from the archive."""
    keep_bands: tuple[str, ...] = ()
    """Bands to keep, in the sensor's order; empty keeps all."""
    expressions: tuple[str, ...] = ()
    """Additional features of each date, as expressions of its bands."""
    speckle_radius: int = 0
    """Half-width in pixels of the window of the multitemporal speckle filter; 0 disables the filter."""
    decibel: bool = False
    """Band features are 10 log10 of their values."""
    stac: bool = False
    """Images are found by STAC items."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the used bands, in the sensor's order."""
        return tuple(band for band in self.spec.band_names if not self.keep_bands or band in self.keep_bands)
