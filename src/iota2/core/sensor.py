"""Sensor descriptions: the content of one ``sensors/<name>.yaml``, and the options of an enabled sensor."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class BandSpec:
    """One spectral band: its name in features, its file, and its role in indices and pictures."""

    name: str
    file: str
    """Glob relative to the product folder, e.g. ``*_FRE_B2.tif``; must match exactly one file."""
    role: Literal["blue", "green", "red", "nir", "swir"] | None = None
    index: int = 1
    """Band number inside the file, from 1."""
    id: str = ""
    """Name of the band in the product's metadata; empty if the metadata are not read."""
    assets: tuple[str, ...] = ()
    """Names of the band in STAC items. The first one in an item is used, or else ``name``."""
    nodata: float | None = None
    """No-data value of the band in file units; None for the value of the sensor."""


@dataclass(frozen=True)
class MaskRule:
    """Rule for invalid pixels of one date, from one mask file.

    Without ``bits`` and ``values``, every value except 0 is invalid. An ``edge`` mask marks pixels outside the image:
    the footprint of a tile is the area in which, on at least one date, no edge mask applies.
    """

    name: str
    file: str
    bits: tuple[int, ...] = ()
    """A pixel is invalid if any of these bits (from 0) is set."""
    values: tuple[int, ...] = ()
    """A pixel is invalid if it has one of these values."""
    edge: bool = False
    optional: bool = False
    """Whether products may lack the file. The mask then has no invalid pixels; in a product without any mask, or
    without any edge mask, pixels are valid where the reference band has data."""
    alternatives: tuple[str, ...] = ()
    """Globs for products without a file that matches ``file``, in order of preference."""
    spare: bool = False
    """Whether the mask is ``optional`` if no product of a tile has it. If some products have it, products without it
    are incomplete."""
    instead_of: str = ""
    """The mask that this mask replaces in products without it. Products may lack both."""
    assets: tuple[str, ...] = ()
    """Names of the mask in STAC items, in order of preference; ``name`` is the last one."""


@dataclass(frozen=True)
class MetadataSpec:
    """Elements of a product's XML metadata from which file values are converted to product units.

    Product units = (file value + offset) / quantification x 10000. Elements are given by patterns of their names
    without namespace: ``*`` matches any characters.
    """

    file: str
    """Glob relative to the product folder; must match exactly one file."""
    quantification: str
    """Element with the divisor."""
    offset: str = ""
    """Elements with the offset, one for each band; their attribute ``band_id`` is the ``id`` of the band. Products
    without such elements have the offset 0."""


@dataclass(frozen=True)
class LookAlike:
    """Products of another kind whose names resemble the product names of a sensor."""

    name: str
    """Regular expression of their names."""
    kind: str
    """Explanation for the user: ``of level L1C; L2A is needed``."""


@dataclass(frozen=True)
class SeriesBy:
    """Division of a sensor's products into several series, by their names."""

    group: str
    """Named group of ``SensorSpec.product``; the products with the same value form a series."""
    values: tuple[tuple[str, str], ...]
    """Pairs of value and description, in the order of features: (``ASC``, ascending). Case is ignored in names."""
    names: str = ""
    """Glob of further files of a series, with ``{}`` for the value; the other series ignore these files."""


UNLISTED = 1000
"""Position of a sensor without a declared position: after all others."""


@dataclass(frozen=True)
class SensorOption:
    """The key of ``chain`` that enables a built-in sensor."""

    key: str
    """Name in configuration files: ``s2_path``."""
    holds: str
    """Description of the products: ``Sentinel-2 level 2A products (THEIA)``."""
    listed: int = UNLISTED
    """Position of the key in lists of options."""
    place: int = UNLISTED
    """Position of the sensor in the order of features."""


@dataclass(frozen=True)
class SensorSpec:
    """One sensor: location, names and content of its products."""

    name: str
    """Name of the sensor, the prefix of feature and file names: ``Sentinel2``."""
    section: str
    """The configuration section with its options: ``Sentinel_2``."""
    product: str
    """Regular expression of product names with the group ``date`` (YYYYMMDD, or YYYYDDD with the day of the year) and
    an optional group ``tile``. A sensor without dates has no group ``date``. Groups ``version``, ``version_2`` …
    distinguish versions of one acquisition, the most significant first. With ``products: files``, groups ``kind``,
    ``kind_2`` … must be equal in the whole series."""
    bands: tuple[BandSpec, ...]
    masks: tuple[MaskRule, ...]
    nodata: float | None = None
    """No-data value of bands, in file units."""
    scale: float = 1.0
    offset: float = 0.0
    """Product units = file value x scale + offset, unless ``metadata`` is given."""
    metadata: MetadataSpec | None = None
    """Source of scale and offset in the metadata of each product; None to use ``scale`` and ``offset``."""
    platforms: tuple[str, ...] = ()
    """Satellites of the sensor in STAC items, without the last letter: ``sentinel-2``; empty for any."""
    pieces: str = ""
    """Glob of an entry in the product folder whose name distinguishes the pieces of one acquisition, such as the two
    products of a tile at the border of datastrips; empty if products are never pieces."""
    products: Literal["folders", "files"] = "folders"
    """``folders``: a product is a folder. ``files``: a product consists of the files in the tile's folder whose names
    have the same group ``product`` of the regular expression."""
    varying_extent: bool = False
    """Whether the extents of files may differ between dates. Their pixels are aligned."""
    tile_folder: str = "{tile}"
    """Name of the tile's folder; ``{mgrs}`` is the name of the tile without its leading T."""
    spectral: bool = True
    """Whether the bands are reflectances, from which spectral indices and relative reflectances can be computed."""
    example: str = ""
    """An example of a product name, for messages."""
    static: bool = False
    """Whether the sensor consists of layers without dates, such as altitudes, whose values are features."""
    resampling: Literal["cubic", "bilinear", "nearest"] = "cubic"
    temporal_resolution: int = 10
    """Default step, in days, of the interpolation dates."""
    reference_band: str = ""
    """The band whose grid is the tile's native grid; empty for the first band."""
    file_nodata: Literal["honoured", "ignored"] = "honoured"
    """Whether the file's nodata tag applies in addition to ``nodata``."""
    missing: tuple[float, ...] = ()
    """Further no-data values in the files of all bands."""
    ignore: tuple[str, ...] = ()
    """Globs of entries in a tile folder that are ignored without a message."""
    mistaken_for: tuple[LookAlike, ...] = ()
    """Products of other kinds that users confuse with those of the sensor; the first match is reported."""
    series_by: SeriesBy | None = None
    """Division of the products into several series; None for a single series."""
    only: str = ""
    """The value of ``series_by`` that selects the products of this series; empty for all products."""
    option: SensorOption | None = None
    """The option that enables the sensor; None for a user-defined sensor."""

    def match(self, name: str) -> re.Match[str] | None:
        """The match of ``product`` with the name of a product or of a file; None also for another series."""
        match = re.match(self.product, name)
        others = match and self.only and self.series_by and (match[self.series_by.group] or "").upper() != self.only
        return None if others else match

    @property
    def series(self) -> tuple[SensorSpec, ...]:
        """The series of the sensor: one for each value of ``series_by``, or the sensor itself."""
        return tuple(self.of(value) for value, _ in self.series_by.values) if self.series_by else (self,)

    def of(self, value: str) -> SensorSpec:
        """The series for one value of ``series_by``: ``sentinel1_asc`` for ``ASC``."""
        ignore = (*self.ignore, *self._others(value))
        return replace(self, name=f"{self.name}_{value.lower()}", only=value, ignore=ignore)

    def _others(self, value: str) -> list[str]:
        """Globs of further files of the other series."""
        if self.series_by is None or not self.series_by.names:
            return []
        return [self.series_by.names.format(other) for other, _ in self.series_by.values if other != value]

    def matches_other_series(self, name: str) -> bool:
        """Whether a product name belongs to another series."""
        return bool(self.only) and self.match(name) is None and re.match(self.product, name) is not None

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands, in feature order."""
        return tuple(band.name for band in self.bands)

    @property
    def main_masks(self) -> tuple[MaskRule, ...]:
        """The masks that do not replace another mask."""
        return tuple(mask for mask in self.masks if not mask.instead_of)

    def alternatives_of(self, mask: str) -> tuple[MaskRule, ...]:
        """The masks that replace the mask with this name, in order of preference."""
        return tuple(one for one in self.masks if one.instead_of == mask)

    @property
    def with_alternative_masks(self) -> SensorSpec:
        """The sensor with an additional mask for each alternative file of a mask, because its grid may differ."""
        more = [
            replace(mask, name=f"{mask.name}_{number}", file=file, alternatives=(), assets=(), instead_of=mask.name)
            for mask in self.masks
            for number, file in enumerate(mask.alternatives, start=2)
        ]
        return replace(self, masks=(*self.masks, *more))

    def lacking(self, found: Collection[str]) -> tuple[BandSpec | MaskRule, ...]:
        """Mandatory bands and masks that a product lacks; ``found``: the names of its bands and masks."""
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
    """Folder of the products, with one folder per tile; with ``stac``, the source of STAC items."""
    temporal_resolution: int
    """Days between interpolation dates."""
    start_date: date | None = None
    end_date: date | None = None
    """First and last day of the season; None for the first and last date of the archive."""
    keep_bands: tuple[str, ...] = ()
    """Bands to keep, in the sensor's order; empty keeps all."""
    expressions: tuple[str, ...] = ()
    """Additional features of each date, as expressions of its bands."""
    speckle_radius: int = 0
    """Half-width in pixels of the window of the multitemporal speckle filter; 0 disables the filter."""
    decibel: bool = False
    """Band features are 10 log10 of their values."""
    stac: bool = False
    """Whether STAC items list the images, instead of a folder."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the used bands, in the sensor's order."""
        return tuple(band for band in self.spec.band_names if not self.keep_bands or band in self.keep_bands)
