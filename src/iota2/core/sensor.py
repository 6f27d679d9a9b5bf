"""What a sensor is, as values: the content of one ``sensors/<name>.yaml``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class BandSpec:
    """One spectral band: the name used in features, the file that holds it, the role it plays in indices."""

    name: str
    file: str
    """Glob relative to the product folder, e.g. ``*_FRE_B2.tif``; must match one file."""
    role: Literal["red", "nir", "swir"] | None = None
    index: int = 1
    """Band number inside the file, from 1."""
    id: str = ""
    """What the product's metadata call the band; empty when they are not read."""
    assets: tuple[str, ...] = ()
    """Names that STAC items give the band, the first that an item has is used; the band's own name comes after."""
    nodata: float | None = None
    """Value where the band has no measure, in file units, when it is another than the sensor's."""


@dataclass(frozen=True)
class MaskRule:
    """When a pixel of one date is not valid, as read from one mask file.

    With none of ``bits`` and ``values`` any value but 0 is invalid. ``edge`` marks the mask that says where the
    image has data at all: the footprint of a tile is where at least one date is clear of its edge masks.
    """

    name: str
    file: str
    bits: tuple[int, ...] = ()
    """Invalid when any of these bits (from 0) is set."""
    values: tuple[int, ...] = ()
    """Invalid when the value is one of these."""
    edge: bool = False
    optional: bool = False
    """Products without this file are read as if it said "valid" wherever their images have a pixel; without any mask,
    or without the edge masks that there may be, where the reference band has data."""
    alternatives: tuple[str, ...] = ()
    """Globs that are looked for, in this order, in products where no file matches ``file``."""
    spare: bool = False
    """A tile none of whose products has the mask is read as if it were ``optional``. When some have it, those that lack
    it are not complete."""
    instead_of: str = ""
    """The mask that this one stands in for: it is read of products that lack that one, and may lack itself."""
    assets: tuple[str, ...] = ()
    """Names that STAC items give the mask; its own name comes after."""


@dataclass(frozen=True)
class MetadataSpec:
    """Which numbers of a product's XML metadata turn file values into product units.

    Product units = (file value + offset) / quantification x 10000. Elements are named without their namespace, by
    patterns: ``*`` stands for any characters.
    """

    file: str
    """Glob relative to the product folder; must match one file."""
    quantification: str
    """Element with the number that is divided by."""
    offset: str = ""
    """Elements, one for each band, with the number that is added; their attribute ``band_id`` is the band's ``id``.
    A product without such elements adds nothing."""


@dataclass(frozen=True)
class LookAlike:
    """Products of another kind whose names differ little from those of a sensor."""

    name: str
    """Regular expression of their names, from the beginning."""
    kind: str
    """What they are and what is needed instead, in words: ``of level L1C; L2A is needed``."""


@dataclass(frozen=True)
class SeriesBy:
    """How the names of a sensor's products tell the series apart that are made of them."""

    group: str
    """Named group of ``product``: each of its values makes a series."""
    values: tuple[tuple[str, str], ...]
    """Each value as names have it, whatever the case, and in words, in the order of features: ``ASC``, ascending."""
    names: str = ""
    """Glob, with ``{}`` for the value, of further files of a series, which the others pass over."""


LAST = 1000
"""Place of a sensor that does not tell one: after the others."""


@dataclass(frozen=True)
class SensorOption:
    """The key of ``chain`` that enables a sensor that comes with the program."""

    key: str
    """As written in configurations: ``s2_path``."""
    holds: str
    """What the folder holds, in words: ``Sentinel-2 level 2A products (THEIA)``."""
    listed: int = LAST
    """Place of the key in lists of options."""
    place: int = LAST
    """Place of the sensor in the order of features."""


@dataclass(frozen=True)
class SensorSpec:
    """One sensor: where its products lie, how they are named, what is in them."""

    name: str
    """Class name, the prefix of feature and file names: ``Sentinel2``."""
    section: str
    """The configuration section with its options: ``Sentinel_2``."""
    product: str
    """Regular expression of the names of products with the group ``date`` (YYYYMMDD, or YYYYDDD with the day of the
    year) and, if the name tells it, the group ``tile``. A sensor without dates has no such group. Groups ``version``,
    ``version_2`` … hold what tells versions of one acquisition apart, by weight. Of files side by side, groups
    ``kind``, ``kind_2`` … hold what must be the same in all of a series."""
    bands: tuple[BandSpec, ...]
    masks: tuple[MaskRule, ...]
    nodata: float | None = None
    """Value of a band where there is no measure, in file units."""
    scale: float = 1.0
    offset: float = 0.0
    """Product units = file value x scale + offset, where no metadata say otherwise."""
    metadata: MetadataSpec | None = None
    """What each product itself says about scale and offset."""
    platforms: tuple[str, ...] = ()
    """Satellites that a STAC item of the sensor may tell, without the last letter: ``sentinel-2``; empty for any."""
    pieces: str = ""
    """Glob relative to the product folder of an entry whose name tells the pieces of one acquisition apart, such as the
    two products of a tile at the border of datastrips; empty when nothing does."""
    products: Literal["folders", "files"] = "folders"
    """A product is a folder of files, or the files of the tile's folder whose names differ in the band alone: those
    with the same group ``product`` of the regular expression."""
    varying_extent: bool = False
    """Files of different dates share their pixels, and may begin and end at different ones."""
    tile_folder: str = "{tile}"
    """Name of the tile's folder; ``{mgrs}`` is the name of the tile without its first T."""
    spectral: bool = True
    """Bands are reflectances: spectral indices and relative reflectances are made of them."""
    example: str = ""
    """A name that ``product`` matches, for messages."""
    static: bool = False
    """Layers that have no date, such as altitudes: features as they are."""
    resampling: Literal["cubic", "bilinear", "nearest"] = "cubic"
    temporal_resolution: int = 10
    """Default step, in days, of the interpolation dates."""
    reference_band: str = ""
    """The band whose lattice is the tile's native lattice; the first band when empty."""
    file_nodata: Literal["honoured", "ignored"] = "honoured"
    """Whether pixels that hold the value of the file's own nodata tag are missing, beside those of ``nodata``."""
    missing: tuple[float, ...] = ()
    """Further values that stand for no measure in the files of all bands."""
    ignore: tuple[str, ...] = ()
    """Globs of entries in a tile folder that are no products and are passed over without a word."""
    mistaken_for: tuple[LookAlike, ...] = ()
    """Products that users take for those of the sensor; the first that a name matches is told."""
    series_by: SeriesBy | None = None
    """How several series are made of the products; None for one."""
    only: str = ""
    """The value of ``series_by`` that products have, for one of several series; empty for all products."""
    option: SensorOption | None = None
    """How configurations enable the sensor; None for one of the user's own."""

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

    def is_of_another_series(self, name: str) -> bool:
        """Whether a name is that of a product of another series."""
        return bool(self.only) and self.match(name) is None and re.match(self.product, name) is not None

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands, in feature order."""
        return tuple(band.name for band in self.bands)

    @property
    def proper_masks(self) -> tuple[MaskRule, ...]:
        """The masks without those that stand in for others."""
        return tuple(mask for mask in self.masks if not mask.instead_of)

    def stand_ins(self, mask: str) -> tuple[MaskRule, ...]:
        """The masks that stand in for one, in their order."""
        return tuple(one for one in self.masks if one.instead_of == mask)

    @property
    def with_stand_ins(self) -> SensorSpec:
        """The sensor with a mask more for each alternative of a mask: products that have it have a lattice for it."""
        more = [
            replace(mask, name=f"{mask.name}_{number}", file=file, alternatives=(), assets=(), instead_of=mask.name)
            for mask in self.masks
            for number, file in enumerate(mask.alternatives, start=2)
        ]
        return replace(self, masks=(*self.masks, *more))

    def lacking(self, found: Collection[str]) -> tuple[BandSpec | MaskRule, ...]:
        """The bands and masks that a product still needs which has those that were ``found``."""
        needed: list[BandSpec | MaskRule] = [*self.bands, *(mask for mask in self.proper_masks if not mask.optional)]
        return tuple(
            part
            for part in needed
            if part.name not in found and not any(one.name in found for one in self.stand_ins(part.name))
        )

    @property
    def parts(self) -> tuple[BandSpec | MaskRule, ...]:
        """All that has a file: the bands, then the masks."""
        return (*self.bands, *self.masks)

    def folder_of(self, tile: str) -> str:
        """Name of a tile's folder."""
        return self.tile_folder.format(tile=tile, mgrs=tile.removeprefix("T"))

    def nodata_of(self, band: str) -> float | None:
        """Value of a band where it has no measure."""
        own = next((b.nodata for b in self.bands if b.name == band), None)
        return self.nodata if own is None else own

    @property
    def roles(self) -> Mapping[str, str]:
        """Role (red, nir, swir) to band name."""
        return {band.role: band.name for band in self.bands if band.role}

    @property
    def reference(self) -> BandSpec:
        """The band that defines the native lattice."""
        return next((b for b in self.bands if b.name == self.reference_band), self.bands[0])


@dataclass(frozen=True)
class SensorOptions:
    """What the configuration says about one enabled sensor."""

    spec: SensorSpec
    source: Path | str
    """Folder of the products, one folder per tile inside; where the STAC items of the run are when ``stac``."""
    temporal_resolution: int
    """Days between interpolation dates."""
    start_date: date | None = None
    end_date: date | None = None
    """Season, when it is not found from the archive."""
    keep_bands: tuple[str, ...] = ()
    """Bands to keep, in the sensor's order; empty keeps all."""
    expressions: tuple[str, ...] = ()
    """Further features of each date, as expressions of its bands."""
    speckle_radius: int = 0
    """Half-width in pixels of the window of the multitemporal speckle filter; 0 filters nothing."""
    decibel: bool = False
    """Bands as features are 10 log10 of their values."""
    stac: bool = False
    """The images are found by STAC items."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands that are used, in the sensor's order."""
        return tuple(band for band in self.spec.band_names if not self.keep_bands or band in self.keep_bands)
