"""Synthetic products of any sensor, generated from the patterns of its description."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from iota2.core.sensor import BandSpec, MaskRule, MetadataSpec, SensorSpec
from iota2.io.archive.metadata import UNIT_REFLECTANCE

# Python's parser of regular expressions has no public name.
_constants, _parser = import_module("re._constants"), import_module("re._parser")

Part = TypeVar("Part", BandSpec, MaskRule, BandSpec | MaskRule)
"""A band or a mask."""


@dataclass(frozen=True)
class Layer:
    """Pixels (y, x) of one band or mask with their grid."""

    values: np.ndarray
    geobox: GeoBox


def write_series(
    spec: SensorSpec,
    root: str | Path,
    tile: str,
    days: Sequence[date],
    grids: Mapping[str, GeoBox],
    *,
    seed: int = 0,
) -> tuple[Mapping[str, Layer], ...]:
    """Write one product per day to the tile's folder in ``root``; returns the layers of each by band or mask name.

    ``grids`` contains the grids of bands and masks by name; ``""`` is the grid of all others. Repeated days give
    several products. Values are a gradient with noise; every second product has a corner without data. Masks flag a few
    pixels.
    """
    rng = np.random.default_rng(seed)
    folder = Path(root) / spec.folder_of(tile)
    series = []
    for number, day in enumerate(days):
        layers = synthetic_layers(spec, grids, rng, corner=bool(number % 2))
        write_product(spec, folder, tile, day, layers, number=days[:number].count(day))
        series.append(layers)
    return tuple(series)


def synthetic_layers(
    spec: SensorSpec, grids: Mapping[str, GeoBox], rng: np.random.Generator, *, corner: bool
) -> dict[str, Layer]:
    """Synthetic bands and masks of one product; with ``corner``, a sixteenth of the bands is nodata.

    Bands are int16, or uint16 if nodata is 0 or more. Masks that share a file have the same pixels.
    """
    layers = {}
    for band in spec.bands:
        grid, nodata = grids.get(band.name, grids[""]), spec.nodata_of(band.name)
        kind = np.int16 if nodata is None or nodata < 0 else np.uint16
        gradient = np.add.outer(np.arange(grid.shape.y), np.arange(grid.shape.x)) * 10
        values = (gradient + rng.integers(200, 3000, grid.shape)).astype(kind)
        if corner and nodata is not None:
            values[: grid.shape.y // 4, : grid.shape.x // 4] = nodata
        layers[band.name] = Layer(values, grid)
    for rules in _by_file(spec.masks).values():
        grid = grids.get(rules[0].name, grids[""])
        layer = Layer(_synthetic_codes(rules, rng, (grid.shape.y, grid.shape.x)), grid)
        layers |= {rule.name: layer for rule in rules}
    return layers


def _synthetic_codes(rules: Sequence[MaskRule], rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Synthetic codes of a mask file: each rule applies to one pixel in ten; codes without a rule also occur.

    Edge rules also apply to the last three pixels, on all dates.
    """
    kind = mask_type(rules)
    named = sum({1 << bit for rule in rules for bit in rule.bits})
    if named:
        codes = rng.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True) & ~kind.type(named)
    else:
        clear = [code for code in range(12) if not any(_rule_applies(rule, code) for rule in rules)]
        codes = rng.choice(clear, shape).astype(kind)
    for rule in rules:
        where = rng.random(shape) < 0.1
        where[-1, -3:] |= rule.edge
        invalid = [1 << bit for bit in rule.bits] or list(rule.values) or [1, 2, 64]
        chosen = rng.choice(invalid, shape).astype(kind)
        codes[where] = (codes | chosen if rule.bits else chosen)[where]
    return codes


def _rule_applies(rule: MaskRule, code: int) -> bool:
    """Whether a rule without bits applies to a code."""
    return code in rule.values if rule.values else code != 0


def mask_type(rules: Sequence[MaskRule]) -> np.dtype[Any]:
    """Data type of a mask file: 16 bits if several bits are used, as in the files of USGS, else 8 bits."""
    bits = [bit for rule in rules for bit in rule.bits]
    return np.dtype(np.uint16 if len(bits) > 1 else np.uint8)


def _by_file(parts: Sequence[Part]) -> dict[str, list[Part]]:
    """Bands or masks by the pattern of their file."""
    files: dict[str, list[Part]] = {}
    for item in parts:
        files.setdefault(item.file, []).append(item)
    return files


def write_product(
    spec: SensorSpec,
    folder: str | Path,
    tile: str,
    day: date,
    layers: Mapping[str, Layer],
    *,
    number: int = 0,
    quantification: float = UNIT_REFLECTANCE,
    offsets: Mapping[str, float] | None = None,
) -> Path:
    """Write one product into a tile's ``folder`` and return its path, or the folder if products are not folders.

    Bands that share a file pattern are written as bands of one file; masks that share one are one layer. ``number``
    distinguishes products of one day by name. Bands and masks missing in ``layers`` are not written. The metadata, for
    sensors that have any, contain ``quantification`` and, if given, the ``offsets`` of the bands.
    """
    names = _names(spec, tile, day, number)
    name_of = _file_names(spec, names)
    path = Path(folder)
    if spec.products == "folders":
        path /= names[0]
        path.mkdir(parents=True)
    parts = [item for item in spec.parts if item.name in layers]
    for pattern, items in _by_file(parts).items():
        bands = {getattr(item, "index", 1): layers[item.name] for item in items}
        write_raster(path / name_of(pattern), bands, nodata=spec.nodata)
    if spec.metadata is not None:
        ids = {band.id: offsets[band.name] for band in spec.bands if offsets and band.name in offsets}
        write_metadata(path / name_of(spec.metadata.file), spec.metadata, quantification, ids)
    return path


def write_metadata(path: Path, spec: MetadataSpec, quantification: float, offsets: Mapping[str, float]) -> None:
    """Write the metadata of a product: the divisor of the values, and the offsets by band id."""
    divisor, added = (name.replace("*", "") for name in (spec.quantification, spec.offset))
    lines = [f'<{added} band_id="{band}">{offset:g}</{added}>' for band, offset in offsets.items()]
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<n1:Product xmlns:n1="https://example.org/product">\n'
        f'<{divisor} unit="none">{quantification:g}</{divisor}>\n{"".join(lines)}\n</n1:Product>\n',
        encoding="utf-8",
    )


def write_raster(path: Path, bands: Mapping[int, Layer], *, nodata: float | None = None) -> None:
    """Write layers of one grid as the bands of one file.

    The file is a lossless tiled JPEG 2000 file if the name ends with ``.jp2``, otherwise a GeoTIFF in strips.
    """
    first = next(iter(bands.values()))
    representable = nodata is not None and np.can_cast(np.min_scalar_type(int(nodata)), first.values.dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {
        "height": first.geobox.shape.y,
        "width": first.geobox.shape.x,
        "count": max(bands),
        "dtype": first.values.dtype,
        "crs": str(first.geobox.crs),
        "transform": first.geobox.affine,
    }
    if path.suffix == ".jp2":
        side = 1024 if max(first.values.shape) > 1024 else 32
        form: dict[str, Any] = {
            "driver": "JP2OpenJPEG",
            "QUALITY": 100,
            "REVERSIBLE": True,
            "BLOCKXSIZE": side,
            "BLOCKYSIZE": side,
        }
    else:
        form = {"driver": "GTiff", "nodata": nodata if representable else None, "compress": "deflate"}
    with rasterio.open(path, "w", **header, **form) as file:
        for index, layer in bands.items():
            file.write(layer.values, index)


def product_name(spec: SensorSpec, tile: str, day: date, number: int = 0) -> str:
    """Name of a product, or of one of its files, that matches the sensor's pattern.

    ``number``, up to 9, distinguishes names of one day.
    """
    return _names(spec, tile, day, number)[0]


def _names(spec: SensorSpec, tile: str, day: date, number: int) -> list[str]:
    """Names that match the sensor's pattern, one per alternative."""
    given = {"date": f"{day:%Y%m%d}", "tile": tile.removeprefix("T") if "{mgrs}" in spec.tile_folder else tile}
    given |= {spec.series_by.group: spec.only} if spec.series_by and spec.only else {}
    names = _examples(_parser.parse(spec.product), given, number)
    names = [name + f"synthetic-{number}" * bool(spec.match(name + "x")) for name in names]
    matches = [match for match in (spec.match(name) for name in names) if match]
    if not matches or any(match["date"] != given["date"] for match in matches):
        raise ValueError(f"cannot generate a name that matches {spec.product}")
    return [match.string for match in matches]


def _file_names(spec: SensorSpec, names: Sequence[str]) -> Callable[[str], str]:
    """File names of one product, from their pattern.

    ``names`` are possible names; the first identifies the product.
    """
    if spec.products == "folders":
        return lambda pattern: file_name(pattern, names[0])
    product = _product_of(spec, names[0])

    def name_of(pattern: str) -> str:
        names_of_it = (name for name in (*names, file_name(pattern, product)) if _product_of(spec, name) == product)
        fitting = [name for name in names_of_it if fnmatch.fnmatchcase(name, pattern)]
        if not fitting:
            raise ValueError(f"cannot generate a name that matches {pattern} and {spec.product}")
        return fitting[0]

    return name_of


def _product_of(spec: SensorSpec, name: str) -> str:
    """Product of a file; empty if its name does not match the sensor's pattern."""
    match = spec.match(name)
    return (match.groupdict().get("product") or match["date"]) if match else ""


def file_name(pattern: str, product: str) -> str:
    """Path that matches the glob ``pattern``; the first ``*`` of its last part is replaced by the product name."""
    *folders, last = [part for part in pattern.split("/") if part != "**"]
    plain = [part.replace("*", "x").replace("?", "x") for part in folders]
    return "/".join([*plain, last.replace("*", product, 1).replace("*", "x").replace("?", "x")])


def _examples(parsed: Any, given: Mapping[str, str], digit: int) -> list[str]:
    """Short texts that match a parsed regular expression, one per combination of alternatives and optional parts.

    ``given`` are the texts of named groups; ``digit`` is used for all other digits.
    """
    names = {number: name for name, number in parsed.state.groupdict.items()}

    def texts(element: Any) -> list[str]:
        """Texts of one (kind, content) element."""
        kind, what = element
        if kind is _constants.SUBPATTERN:
            name = names.get(what[0], "")
            return [given[name]] if name in given else sequences(what[-1])
        if kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
            least, most, repeated = what
            return [""] * (least == 0) + [text * max(least, 1) for text in sequences(repeated) if least or most == 1]
        if kind is _constants.BRANCH:
            return [text for choice in what[1] for text in sequences(choice)]
        if kind is _constants.IN:
            return [text for member in what for text in texts(member)]
        return [_character(kind, what, digit)]

    def sequences(elements: Any) -> list[str]:
        return ["".join(chosen) for chosen in itertools.product(*map(texts, elements))]

    return sequences(parsed)


def _character(kind: Any, what: Any, digit: int) -> str:
    """Character that matches a part of a regular expression; empty for anchors."""
    if kind is _constants.CATEGORY:
        return {_constants.CATEGORY_DIGIT: f"{digit}", _constants.CATEGORY_SPACE: " "}.get(what, "x")
    if kind in (_constants.LITERAL, _constants.RANGE):
        return chr(what if kind is _constants.LITERAL else what[0])
    if kind in (_constants.ANY, _constants.AT):
        return "x" if kind is _constants.ANY else ""
    raise ValueError(f"product patterns with {kind} have no example")
