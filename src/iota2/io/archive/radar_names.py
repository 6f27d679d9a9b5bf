"""File name patterns of Sentinel-1 images that the user defines with placeholders in braces."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from iota2.core.sensor import SensorSpec


@dataclass(frozen=True)
class Placeholder:
    """What a placeholder matches."""

    expression: str
    """Regular expression."""
    glob: str
    """Glob that matches at least the same texts."""


_TIME = "[0-9x]" * 6
_DAY = "[0-9]" * 8
_SATELLITE = Placeholder("[a-z0-9]+", "*")
_TILE = Placeholder(r"(?P<tile>T?\d{2}[A-Z]{3})", "*[0-9][0-9][A-Z][A-Z][A-Z]")
_DIRECTION = Placeholder("(?P<product>(?P<direction>ASC|DES))", "[AD][SE][CS]")
_KIND = Placeholder("(?P<kind>[a-z0-9]+)", "*[!k]")
PLACEHOLDERS: Mapping[str, Placeholder] = {
    "satellite": _SATELLITE,
    "flying_unit_code": _SATELLITE,
    "tile": _TILE,
    "tile_name": _TILE,
    "polarisation": Placeholder("(?:vv|vh)", "{}"),
    "direction": _DIRECTION,
    "orbit_direction": _DIRECTION,
    "orbit": Placeholder(r"(?P<product_2>\d{3})", "[0-9]" * 3),
    "date": Placeholder(r"(?P<product_4>(?P<date>\d{8}))", _DAY),
    "time": Placeholder(r"(?P<product_3>x{6}|\d{6})", _TIME),
    "acquisition_stamp": Placeholder(r"(?P<product_3>(?P<date>\d{8})t(?:x{6}|\d{6}))", f"{_DAY}t{_TIME}"),
    "calibration": _KIND,
    "calibration_type": _KIND,
}
"""Placeholders by name; some have a second name, which S1Tiling uses.

Images with the same values of the ``product`` groups belong to one product.
"""
REQUIRED_PLACEHOLDERS = (("polarisation",), ("direction", "orbit_direction"), ("date", "acquisition_stamp"))
"""Mandatory placeholders: one from each group."""


def named_like(spec: SensorSpec, pattern: str) -> SensorSpec:
    """The Sentinel-1 description for images with names that match ``pattern``; unchanged for an empty pattern.

    Example: ``{satellite}_{tile}_{polarisation}_{direction}_{orbit}_{date}t{time}.tif``. Case is ignored, ``*`` matches
    any characters, and border masks have ``_BorderMask`` before the extension. ValueError, with the expected form, for
    an invalid pattern.
    """
    if not pattern:
        return spec
    stem, dot, end = pattern.rpartition(".")
    parts = list(_parts(stem))
    names = [name for name, _ in parts if name]
    _check(names, bool(dot) and end.lower() in ("tif", "tiff"), parts)
    expression = "".join(PLACEHOLDERS[name].expression if name else _literal(text) for name, text in parts)
    form = "".join(PLACEHOLDERS[name].glob if name else _literal_glob(text) for name, text in parts)
    form = form[:-1] + "*[!k]" if form.endswith("*") else form  # a final * would also match border masks
    images = {band.name: f"{form.replace('{}', band.name)}.{end}" for band in spec.bands}
    masks = {
        band.name: f"{form.replace('{}', band.name)}_BorderMask.{end}".replace("*[!k]_", "*_") for band in spec.bands
    }
    first, *others = masks.values()
    return replace(
        spec,
        product=f"(?i)^{expression}(?:_BorderMask)?\\.{end}$",
        example="",
        bands=tuple(replace(band, file=images[band.name]) for band in spec.bands),
        masks=tuple(replace(mask, file=first, alternatives=tuple(others)) for mask in spec.masks),
    )


def _parts(stem: str) -> Iterator[tuple[str, str]]:
    """(name, "") for each placeholder of a pattern, and ("", text) for each text between placeholders."""
    for text in re.split(r"(\{[^{}]*\})", stem):
        if text.startswith("{") and text.endswith("}"):
            yield text[1:-1], ""
        elif text:
            yield "", text


def _check(names: list[str], image: bool, parts: list[tuple[str, str]]) -> None:
    """Raise ValueError for missing, unknown or repeated placeholders."""
    if not image:
        raise ValueError("expected a name that ends in .tif")
    unknown = [name for name in names if name not in PLACEHOLDERS]
    if unknown or any(set(text) & {"{", "}", "/", "\\"} for _, text in parts):
        raise ValueError(f"expected a file name with placeholders in braces: {', '.join(PLACEHOLDERS)}")
    groups = [group for name in names for group in re.findall(r"\?P<(\w+)>", PLACEHOLDERS[name].expression)] + [
        name for name in names if name == "polarisation"
    ]
    if len(groups) != len(set(groups)):
        raise ValueError("expected each placeholder only once; two with the same meaning count as one")
    for choices in REQUIRED_PLACEHOLDERS:
        if not set(names) & set(choices):
            raise ValueError(f"expected {{{'} or {'.join(choices)}}} in it")


def _literal(text: str) -> str:
    return ".*".join(re.escape(part) for part in text.split("*"))


def _literal_glob(text: str) -> str:
    return "*".join(glob.escape(part) for part in text.split("*"))
