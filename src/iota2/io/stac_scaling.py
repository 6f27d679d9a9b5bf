"""How the values of the assets of a STAC item become product units."""

from __future__ import annotations

import fnmatch
import math
import posixpath
import re
from collections.abc import Mapping
from io import BytesIO
from urllib.parse import urlsplit

import pystac

from iota2.core.sensor import BandSpec, SensorSpec
from iota2.errors import InputError
from iota2.io.addresses import is_remote
from iota2.io.metadata import UNIT, read_scaling
from iota2.io.remote import fetch
from iota2.io.stac import FoundItem
from iota2.io.stac_assets import band_entry, file_of

Scaling = tuple[float, float]
"""Scale and offset: product units = file value x scale + offset."""

OFFSET_TAKEN_OFF = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
"""Properties that are true when the offset of Sentinel-2 is no longer in the values."""
BASELINES = ("s2:processing_baseline", "processing:version")
"""Properties with the processing baseline of Sentinel-2."""
FIRST_WITH_OFFSET, BASELINE_OFFSET = (4, 0), -1000.0
"""Since this baseline of Sentinel-2, this has to be added to the values (ESA, products since 25 January 2022)."""
METADATA = 16 << 20
"""Largest XML file of metadata that is read from a server, in bytes."""


def scaling_of(
    spec: SensorSpec, found: FoundItem, assets: Mapping[str, pystac.Asset], *, remote: bool
) -> dict[str, Scaling]:
    """(scale, offset) of each band, of a sensor whose products differ; InputError when they cannot be known.

    A description without metadata has constants, which the item must not contradict. Else what the item says of its
    bands counts, then the metadata of the product among its assets, then the processing baseline. Nothing follows from
    the date.
    """
    unit = UNIT if spec.spectral else 1.0
    said = {band.name: _said(assets[band.name], band, unit) for band in spec.bands if band.name in assets}
    if spec.metadata is None:
        _agree(spec, said)
        return {}
    baseline = _baseline(found.item)
    if any(found.item.properties.get(name) is True for name in OFFSET_TAKEN_OFF):
        return {name: (numbers[0] if numbers else 1.0, 0.0) for name, numbers in said.items()}
    if all(said.values()):
        return {name: _complete(name, numbers, baseline) for name, numbers in said.items() if numbers}
    metadata = _metadata(spec, found, remote=remote)
    if metadata is not None:
        return metadata
    if baseline is None:
        raise InputError(
            "does not say how values become reflectances: no scale and offset in raster:bands, no "
            f"{spec.metadata.file} among the assets, none of {', '.join((OFFSET_TAKEN_OFF[0], *BASELINES))}. Add one"
        )
    return dict.fromkeys(said, (1.0, BASELINE_OFFSET if baseline >= FIRST_WITH_OFFSET else 0.0))


def _said(asset: pystac.Asset, band: BandSpec, unit: float) -> tuple[float, float | None] | None:
    """Scale and offset of a band in product units, ``unit`` of which are 1 of what an asset says; None when it says
    nothing, as with 1 and 0."""
    scale, offset = (_number(asset, band.index, word) for word in ("scale", "offset"))
    if scale in (None, 1.0) and not offset:
        return None
    scale = 1.0 if scale is None else scale
    if not (math.isfinite(scale) and scale > 0 and math.isfinite(offset or 0.0)):
        raise InputError(f"{band.name} has the scale {scale:g} and the offset {offset or 0.0:g}; correct them")
    return round(scale * unit, 9), None if offset is None else round(offset * unit, 9)


def _number(asset: pystac.Asset, index: int, word: str) -> float | None:
    """``scale`` or ``offset`` of a band, as in STAC 1.0 or 1.1; None when it is not said."""
    entry = band_entry(asset, index, "raster:bands")
    for value in (entry.get(word), entry.get(f"raster:{word}"), asset.extra_fields.get(f"raster:{word}")):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _complete(name: str, said: tuple[float, float | None], baseline: tuple[int, int] | None) -> Scaling:
    """Scale and offset as said; without an offset none, unless the baseline makes that doubtful."""
    scale, offset = said
    if baseline is not None and baseline >= FIRST_WITH_OFFSET and offset is None:
        raise InputError(
            f"says a scale but no offset of {name}, while values of its baseline have one unless it was taken off: "
            "add the offset to raster:bands, 0 if there is none"
        )
    if baseline is not None and baseline < FIRST_WITH_OFFSET and offset:
        raise InputError(
            f"says the offset {offset:g} of {name}, while values of its baseline have none: correct raster:bands or "
            f"{BASELINES[0]}"
        )
    return scale, offset or 0.0


def _agree(spec: SensorSpec, said: Mapping[str, tuple[float, float | None] | None]) -> None:
    """InputError when an item has other numbers than the description of the sensor."""
    for name, numbers in said.items():
        if numbers is None:
            continue
        scale, offset = numbers[0], numbers[1] or 0.0
        if not (math.isclose(scale, spec.scale, rel_tol=1e-6) and math.isclose(offset, spec.offset, rel_tol=1e-6)):
            what = "reflectance x 10000" if spec.spectral else "what is measured"
            raise InputError(
                f"{what} is value x {scale:g} + {offset:g} in {name}, but value x {spec.scale:g} + {spec.offset:g} in "
                "the description of the sensor: these are other products"
            )


def _baseline(item: pystac.Item) -> tuple[int, int] | None:
    """The processing baseline that an item tells, such as (4, 0) for 04.00."""
    for name in BASELINES:
        match = re.fullmatch(r"N?(\d{2})\.?(\d{2})", str(item.properties.get(name, "")))
        if match:
            return int(match[1]), int(match[2])
    return None


def _metadata(spec: SensorSpec, found: FoundItem, *, remote: bool) -> dict[str, Scaling] | None:
    """What the metadata of the product say, when they are among the assets."""
    assert spec.metadata is not None, "asked only of sensors with metadata"
    name = posixpath.basename(spec.metadata.file)
    for asset in found.item.assets.values():
        if fnmatch.fnmatchcase(posixpath.basename(urlsplit(asset.href).path), name):
            address = file_of(asset, found, remote=remote)
            content = BytesIO(fetch(address, METADATA)) if is_remote(address) else None
            return read_scaling(address, spec, content)
    return None
