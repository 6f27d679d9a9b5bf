"""Conversion of the values of STAC assets to product units."""

from __future__ import annotations

import fnmatch
import math
import os
import posixpath
import re
from collections.abc import Mapping
from io import BytesIO
from urllib.parse import urlsplit

import pystac

from iota2.core.sensor import BandSpec, SensorSpec
from iota2.errors import InputError
from iota2.io.archive.metadata import UNIT_REFLECTANCE, read_scaling
from iota2.io.files.addresses import is_remote
from iota2.io.files.remote import fetch
from iota2.io.stac.assets import band_entry, file_of
from iota2.io.stac.items import FoundItem

Scaling = tuple[float, float]
"""Scale and offset: product units = file value x scale + offset."""

OFFSET_REMOVED_PROPERTIES = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
"""Properties that are true when the offset of Sentinel-2 has been removed from the values."""
BASELINE_PROPERTIES = ("s2:processing_baseline", "processing:version")
"""Properties with the processing baseline of Sentinel-2."""
FIRST_BASELINE_WITH_OFFSET, BASELINE_OFFSET = (4, 0), -1000.0
"""First Sentinel-2 baseline with an offset, and the offset to add to its values (ESA, products since 25 January 2022).
"""
BASELINE_NUMBERS = range(1, 10)
"""Major numbers of processing baselines.

Other numbers do not show whether values have an offset: Sen2Cor writes 99.99 when users run it, and test products
contain 00.01.
"""
MAX_METADATA_BYTES = 16 << 20
"""Maximum size of a metadata XML file read from a server, in bytes."""


def scaling_of(
    spec: SensorSpec, found: FoundItem, assets: Mapping[str, pystac.Asset], *, remote: bool
) -> dict[str, Scaling]:
    """(scale, offset) by band of an item; InputError when they cannot be determined.

    Empty for a sensor with constant scale and offset, which the item must not contradict. Otherwise the sources are, in
    this order: the properties of the bands in the item, product metadata among the assets, the processing baseline.
    Several sources must agree. Dates, and numbers that are not baselines, are not used.
    """
    unit = UNIT_REFLECTANCE if spec.spectral else 1.0
    declared = {band.name: _declared(assets[band.name], band, unit) for band in spec.bands if band.name in assets}
    if spec.metadata is None:
        _require_constants(spec, declared)
        return {}
    if any(_is_removed(found.item, name) for name in OFFSET_REMOVED_PROPERTIES):
        return {name: (numbers[0] if numbers else 1.0, 0.0) for name, numbers in declared.items()}
    baseline = _baseline(found.item)
    doubtful = baseline is None and any(name in found.item.properties for name in BASELINE_PROPERTIES)
    complete = {
        name: _complete(name, numbers, baseline)
        for name, numbers in declared.items()
        if numbers and not (doubtful and numbers[1] is None)
    }
    whole = complete.keys() == declared.keys()
    known, source = _metadata_scaling(spec, found, remote=remote, needed=not whole), spec.metadata.file
    if known is None and not whole:
        offset, source = _offset_since(spec, found.item, baseline), "processing baseline"
        known = dict.fromkeys(declared, (1.0, offset))
    if known is None:
        return complete
    _require_equal(complete, known, source)
    return known


def _is_removed(item: pystac.Item, name: str) -> bool:
    """Whether a property says that the offset has been removed; InputError for values other than true and false."""
    value = item.properties.get(name)
    taken_off = {"true": True, "1": True, "false": False, "0": False, "none": False}.get(str(value).strip().lower())
    if taken_off is None:
        raise InputError(f"{name} is {value!r}, true or false is expected. Correct it")
    return taken_off


def _require_equal(declared: Mapping[str, Scaling], known: Mapping[str, Scaling], source: str) -> None:
    """Raise InputError when scale or offset of some band in the item differ from those of ``source``."""
    for name, (scale, offset) in declared.items():
        if not all(math.isclose(*pair, rel_tol=1e-6) for pair in zip((scale, offset), known[name], strict=True)):
            raise InputError(
                f"has value x {scale:g} + {offset:g} for {name}, but value x {known[name][0]:g} + {known[name][1]:g} "
                f"follows from its {source}. Correct raster:bands, or set {OFFSET_REMOVED_PROPERTIES[0]} to true if "
                "the offset was removed"
            )


def _offset_since(spec: SensorSpec, item: pystac.Item, baseline: tuple[int, int] | None) -> float:
    """Offset of values with a processing baseline; InputError when the baseline is unknown."""
    if baseline is not None:
        return BASELINE_OFFSET if baseline >= FIRST_BASELINE_WITH_OFFSET else 0.0
    assert spec.metadata is not None, "asked only of sensors with metadata"
    properties = {name: item.properties[name] for name in BASELINE_PROPERTIES if name in item.properties}
    no_baseline = "; ".join(
        f"{name} {value!r} is not a processing baseline of ESA" for name, value in properties.items()
    )
    raise InputError(
        "does not define the conversion of values to reflectance: no scale and offset in raster:bands, no "
        f"{spec.metadata.file} among the assets, "
        + (
            f"and {no_baseline}"
            if properties
            else f"none of {', '.join((OFFSET_REMOVED_PROPERTIES[0], *BASELINE_PROPERTIES))}"
        )
        + ". Add one of these. If all products have the same offset, write a sensor description of your own with scale "
        "and offset instead of metadata (chain.user_sensors)"
    )


def _declared(asset: pystac.Asset, band: BandSpec, unit: float) -> tuple[float, float | None] | None:
    """Scale and offset of a band that its asset declares, converted to product units.

    ``unit``: product units per unit of the asset. The offset is None when it is not declared. The result is None when
    the asset declares nothing, or scale 1 and offset 0.
    """
    scale, offset = (_asset_number(asset, band.index, word) for word in ("scale", "offset"))
    if scale in (None, 1.0) and not offset:
        return None
    scale = 1.0 if scale is None else scale
    if not (math.isfinite(scale) and scale > 0 and math.isfinite(offset or 0.0)):
        raise InputError(f"{band.name} has the invalid scale {scale:g} or offset {offset or 0.0:g}. Correct them")
    return round(scale * unit, 9), None if offset is None else round(offset * unit, 9)


def _asset_number(asset: pystac.Asset, index: int, word: str) -> float | None:
    """``scale`` or ``offset`` of a band in STAC 1.0 or 1.1; None when absent."""
    entry = band_entry(asset, index, "raster:bands")
    for value in (entry.get(word), entry.get(f"raster:{word}"), asset.extra_fields.get(f"raster:{word}")):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _complete(name: str, declared: tuple[float, float | None], baseline: tuple[int, int] | None) -> Scaling:
    """Declared scale and offset, checked with the baseline; a missing offset is 0.

    InputError when the declared offset contradicts the baseline or is not a reflectance.
    """
    scale, offset = declared
    if offset is not None and abs(offset) > UNIT_REFLECTANCE:
        raise InputError(
            f"has the offset {offset / UNIT_REFLECTANCE:g} of {name}, which is not a reflectance. Correct "
            "raster:bands: the offset must be a reflectance, such as -0.1 with the scale 0.0001"
        )
    if baseline is not None and baseline >= FIRST_BASELINE_WITH_OFFSET and offset is None:
        raise InputError(
            f"has a scale but no offset for {name}, while values of its baseline have one unless it was removed. "
            "Add the offset to raster:bands: 0 if it was removed"
        )
    if baseline is not None and baseline < FIRST_BASELINE_WITH_OFFSET and offset:
        raise InputError(
            f"has the offset {offset:g} for {name}, while values of its baseline have none. Correct raster:bands or "
            f"{BASELINE_PROPERTIES[0]}"
        )
    return scale, offset or 0.0


def _require_constants(spec: SensorSpec, declared: Mapping[str, tuple[float, float | None] | None]) -> None:
    """Raise InputError when an item declares another scale or offset than the sensor description."""
    for name, numbers in declared.items():
        if numbers is None:
            continue
        scale, offset = numbers[0], numbers[1] or 0.0
        if not (math.isclose(scale, spec.scale, rel_tol=1e-6) and math.isclose(offset, spec.offset, rel_tol=1e-6)):
            what = "reflectance x 10000" if spec.spectral else "the measured quantity"
            raise InputError(
                f"{what} is value x {scale:g} + {offset:g} in {name}, but value x {spec.scale:g} + {spec.offset:g} in "
                "the sensor description. Use products of this sensor, or correct the description"
            )


def _baseline(item: pystac.Item) -> tuple[int, int] | None:
    """Processing baseline of an item, such as (4, 0) for 04.00, 4.0 or N0400; None when the item has no valid one.

    InputError when the item has two baselines and values of only one have an offset. ``processing:version`` may also be
    the version of a program, such as 2.11 of Sen2Cor. In this property, numbers below the first baseline with an offset
    must therefore have two digits.
    """
    baselines = {}
    for name in BASELINE_PROPERTIES:
        text = str(item.properties.get(name, "")).strip()
        match = re.fullmatch(r"N?(\d{1,2})\.(\d{1,2})|N?(\d{1,2})(\d{2})|N?0?(\d)", text)
        numbers = [int(number) for number in match.groups() if number is not None] if match else []
        found = (numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else (0, 0)
        strict = (
            name == BASELINE_PROPERTIES[0]
            or found >= FIRST_BASELINE_WITH_OFFSET
            or re.fullmatch(r"N?\d{2}\.?\d{2}", text)
        )
        if found[0] in BASELINE_NUMBERS and strict:
            baselines[name] = found
    if len({found >= FIRST_BASELINE_WITH_OFFSET for found in baselines.values()}) > 1:
        values = " and ".join(f"{name} {item.properties[name]!r}" for name in baselines)
        raise InputError(f"has {values}; values of one baseline have an offset, of the other none. Correct one of them")
    return next(iter(baselines.values()), None)


def _metadata_asset(spec: SensorSpec, found: FoundItem) -> pystac.Asset | None:
    """The asset with the metadata of the product; None if there is none."""
    assert spec.metadata is not None, "asked only of sensors with metadata"
    name = posixpath.basename(spec.metadata.file)
    assets = found.item.assets.values()
    return next((one for one in assets if fnmatch.fnmatchcase(posixpath.basename(urlsplit(one.href).path), name)), None)


def _metadata_scaling(spec: SensorSpec, found: FoundItem, *, remote: bool, needed: bool) -> dict[str, Scaling] | None:
    """Scaling from the metadata of the product; None when they are not among the assets.

    If they are not ``needed``, they are only compared with the item, and only read from an existing local file.
    """
    asset = _metadata_asset(spec, found)
    if asset is None:
        return None
    try:
        address = file_of(asset, found, remote=remote)
    except InputError:
        if needed:
            raise
        return None
    if not needed and (is_remote(address) or not os.path.isfile(address)):
        return None
    content = BytesIO(fetch(address, MAX_METADATA_BYTES)) if is_remote(address) else None
    return read_scaling(address, spec, content)
