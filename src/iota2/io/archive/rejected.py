"""Reasons why an entry of a tile folder is not a product, with suggestions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from iota2.core.sensor import SensorSpec
from iota2.io.archive.specs import builtin_specs

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".7z")
UNFINISHED_SUFFIXES = (".part", ".partial", ".crdownload", ".filepart", ".incomplete", ".tmp", ".download")
"""File name endings of unfinished downloads."""
ONE_LEVEL_TOO_DEEP = "it contains products, one level too deep"


def rejection_reason(spec: SensorSpec, folder: str, name: str) -> str:
    """Reason why an entry is not a product."""
    return near_miss(spec, folder, name) or nested(spec, folder, name) or _unlike_product(spec, folder, name)


def product_names(spec: SensorSpec) -> str:
    """The names of products: an example, or the pattern of a description without one."""
    return f"products are named like {spec.example}" if spec.example else f"names must match {spec.product}"


def main_reason(spec: SensorSpec, folder: str, names: Sequence[str]) -> str:
    """What is most useful to know about entries that are no products: products of other sensors, or else the reason for
    the first one, if possible one that resembles a product."""
    others = [(other, products_among(other, folder, names)) for other in _other_sensors(spec)]
    if reasons := [_of_other(other, len(found)) for other, found in others if found]:
        return "; ".join(reasons)
    first = next((name for name in names if near_miss(spec, folder, name)), names[0])
    return f"{first}: {rejection_reason(spec, folder, first)}"


def _of_other(other: SensorSpec, count: int) -> str:
    remedy = f": give their folder as chain.{other.option.key}" if other.option else ""
    return f"{count} {'is a product' if count == 1 else 'are products'} of {other.section}{remedy}"


def near_miss(spec: SensorSpec, folder: str, name: str) -> str:
    """Reason why an entry with a name similar to that of a product is not a product; empty for other names."""
    difference = _difference(spec, _without_end(name))
    end = name[len(_without_end(name)) :].lower()
    if difference is None:
        return ""
    if end in UNFINISHED_SUFFIXES:
        return f"its name ends in {end}: the download is not complete"
    if end:
        return f"an archive; {difference or 'unpack it'}"
    is_folder = os.path.isdir(os.path.join(folder, name))
    return difference or f"a {_kind(is_folder)}; a {_kind(spec.products == 'folders')} is expected"


def why_unusable(spec: SensorSpec, folder: str, name: str) -> str:
    """Reason why an entry that is probably a product of the sensor cannot be used.

    Empty for other entries, such as products of another sensor.
    """
    own = spec.match(stem := _without_end(name))
    of_another = not own and any(other.match(stem) for other in _other_sensors(spec))
    return nested(spec, folder, name) or ("" if of_another else near_miss(spec, folder, name))


def nested(spec: SensorSpec, folder: str, name: str) -> str:
    """A message about a folder that contains products; empty for other entries."""
    path = os.path.join(folder, name)
    try:
        inside = os.listdir(path) if os.path.isdir(path) else []
    except OSError:
        return "it cannot be listed"
    return ONE_LEVEL_TOO_DEEP if products_among(spec, path, inside) else ""


def products_among(spec: SensorSpec, folder: str, names: Iterable[str]) -> list[str]:
    """Names that belong to products, or to files of a product; the entry must be a folder or a file accordingly."""
    in_folders = spec.products == "folders"
    return [n for n in names if spec.match(n) and os.path.isdir(os.path.join(folder, n)) == in_folders]


def _without_end(name: str) -> str:
    """The name without the extension of an archive or of an unfinished download."""
    end = next((end for end in UNFINISHED_SUFFIXES + ARCHIVE_SUFFIXES if name.lower().endswith(end)), "")
    return name[: len(name) - len(end)]


def _other_sensors(spec: SensorSpec) -> list[SensorSpec]:
    """The other built-in sensors."""
    return [other for other in builtin_specs().values() if other.section != spec.section]


def _difference(spec: SensorSpec, name: str) -> str | None:
    """Difference between a name and the product names of the sensor.

    Empty for the name of a product; None for a name that is not similar to any.
    """
    if spec.match(name):
        return ""
    others = _other_sensors(spec)
    for other in others:
        if other.match(name):
            return f"a product of {other.section}"
    for candidate in (spec, *others):
        reader = "" if candidate is spec else f" for {candidate.section}"
        look_alike = next((kind.kind for kind in candidate.mistaken_for if re.match(kind.name, name)), None)
        if look_alike:
            return f"{look_alike}{reader}"
    if re.match(spec.product, name, re.IGNORECASE):
        return "its name differs from that of a product in upper and lower case"
    stems = (name[:length] for length in range(len(name) - 1, len(name) // 2, -1))
    stem = next((stem for stem in stems if spec.match(stem)), None)
    return stem and f"{name[len(stem) :]!r} follows the name of a product"


def _kind(is_folder: bool) -> str:
    return "folder" if is_folder else "file"


def _unlike_product(spec: SensorSpec, folder: str, name: str) -> str:
    """Reason for an entry with a name that is not similar to that of a product."""
    is_folder = os.path.isdir(os.path.join(folder, name))
    if is_folder != (spec.products == "folders"):
        return f"a {_kind(is_folder)}, not a product"
    return f"not a product name; {product_names(spec)}"
