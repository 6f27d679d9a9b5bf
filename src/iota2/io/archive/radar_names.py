"""User-defined file name patterns of Sentinel-1 images, with placeholders in braces."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from iota2.core.sensor import SensorSpec


@dataclass(frozen=True)
class Word:
    """A placeholder."""

    expression: str
    """Regular expression of the text that the placeholder matches."""
    glob: str
    """The same as a glob, as far as globs can express it."""


_TIME = "[0-9x]" * 6
_DAY = "[0-9]" * 8
_SATELLITE, _TILE = Word("[a-z0-9]+", "*"), Word(r"(?P<tile>T?\d{2}[A-Z]{3})", "*[0-9][0-9][A-Z][A-Z][A-Z]")
_DIRECTION = Word("(?P<product>(?P<direction>ASC|DES))", "[AD][SE][CS]")
_KIND = Word("(?P<kind>[a-z0-9]+)", "*[!k]")
WORDS: Mapping[str, Word] = {
    "satellite": _SATELLITE,
    "flying_unit_code": _SATELLITE,
    "tile": _TILE,
    "tile_name": _TILE,
    "polarisation": Word("(?:vv|vh)", "{}"),
    "direction": _DIRECTION,
    "orbit_direction": _DIRECTION,
    "orbit": Word(r"(?P<product_2>\d{3})", "[0-9]" * 3),
    "date": Word(r"(?P<product_4>(?P<date>\d{8}))", _DAY),
    "time": Word(r"(?P<product_3>x{6}|\d{6})", _TIME),
    "acquisition_stamp": Word(r"(?P<product_3>(?P<date>\d{8})t(?:x{6}|\d{6}))", f"{_DAY}t{_TIME}"),
    "calibration": _KIND,
    "calibration_type": _KIND,
}
"""Placeholders by name, some also under the name of S1Tiling. Images with the same `product` groups are one product."""
NEEDED = (("polarisation",), ("direction", "orbit_direction"), ("date", "acquisition_stamp"))
"""Mandatory placeholders: one of each group."""


def named_like(spec: SensorSpec, pattern: str) -> SensorSpec:
    """The Sentinel-1 description for images named like ``pattern``, for example
    ``{satellite}_{tile}_{polarisation}_{direction}_{orbit}_{date}t{time}.tif``; unchanged for an empty pattern.

    Case is ignored, ``*`` stands for any characters, border masks have ``_BorderMask`` before the extension.
    ValueError, with the expected form, for an unusable pattern.
    """
    if not pattern:
        return spec
    stem, dot, end = pattern.rpartition(".")
    parts = list(_parts(stem))
    names = [name for name, _ in parts if name]
    _check(names, bool(dot) and end.lower() in ("tif", "tiff"), parts)
    expression = "".join(WORDS[name].expression if name else _literal(text) for name, text in parts)
    form = "".join(WORDS[name].glob if name else _literal_glob(text) for name, text in parts)
    form = form[:-1] + "*[!k]" if form.endswith("*") else form  # which would take border masks for images
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
    """The placeholders of a pattern by name, and the texts between them without a name."""
    for text in re.split(r"(\{[^{}]*\})", stem):
        if text.startswith("{") and text.endswith("}"):
            yield text[1:-1], ""
        elif text:
            yield "", text


def _check(names: list[str], image: bool, parts: list[tuple[str, str]]) -> None:
    """Raise ValueError for missing, unknown or repeated placeholders."""
    if not image:
        raise ValueError("expected a name that ends in .tif")
    unknown = [name for name in names if name not in WORDS]
    if unknown or any(set(text) & {"{", "}", "/", "\\"} for _, text in parts):
        raise ValueError(f"expected a name of a file with words in braces: {', '.join(WORDS)}")
    groups = [group for name in names for group in re.findall(r"\?P<(\w+)>", WORDS[name].expression)] + [
        name for name in names if name == "polarisation"
    ]
    if len(groups) != len(set(groups)):
        raise ValueError("expected each word, or one of the same meaning, once")
    for choices in NEEDED:
        if not set(names) & set(choices):
            raise ValueError(f"expected {{{'} or {'.join(choices)}}} in it")


def _literal(text: str) -> str:
    return ".*".join(re.escape(part) for part in text.split("*"))


def _literal_glob(text: str) -> str:
    return "*".join(glob.escape(part) for part in text.split("*"))
