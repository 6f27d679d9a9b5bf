"""Made-up products of any sensor, written from the patterns of its description alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from re import _constants, _parser
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

from iota2.core.sensor import BandSpec, MaskRule, SensorSpec


@dataclass(frozen=True)
class Layer:
    """Pixels (y, x) of one band or mask and where they lie."""

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
    """Write one product for each day in ``<root>/<tile>/`` and return what each of them holds, by band or
    mask name.

    ``grids`` gives the lattice of bands and masks by name; ``""`` stands for all others. Two equal days make
    two products. Values are noise on a gradient, with a corner without data on odd dates; masks apply on a
    few pixels.
    """
    rng = np.random.default_rng(seed)
    series = []
    for number, day in enumerate(days):
        layers = made_up_layers(spec, grids, rng, corner=bool(number % 2))
        write_product(spec, Path(root) / tile, tile, day, layers, number=days[:number].count(day))
        series.append(layers)
    return tuple(series)


def made_up_layers(
    spec: SensorSpec, grids: Mapping[str, GeoBox], rng: np.random.Generator, *, corner: bool
) -> dict[str, Layer]:
    """Bands (int16) and masks (uint8) of one product; with ``corner``, a sixteenth of the bands is without
    data."""
    layers = {}
    for band in spec.bands:
        grid = grids.get(band.name, grids[""])
        gradient = np.add.outer(np.arange(grid.shape.y), np.arange(grid.shape.x)) * 10
        values = (gradient + rng.integers(200, 3000, grid.shape)).astype(np.int16)
        if corner and spec.nodata is not None:
            values[: grid.shape.y // 4, : grid.shape.x // 4] = spec.nodata
        layers[band.name] = Layer(values, grid)
    for rule in spec.masks:
        grid = grids.get(rule.name, grids[""])
        applies = rng.random(grid.shape) < 0.1
        layers[rule.name] = Layer(np.where(applies, _invalid(rule), _clear(rule)).astype(np.uint8), grid)
    return layers


def _invalid(rule: MaskRule) -> int:
    """A mask value to which the rule applies."""
    return 1 << rule.bits[0] if rule.bits else (rule.values[0] if rule.values else 1)


def _clear(rule: MaskRule) -> int:
    """A mask value to which the rule does not apply."""
    return next(value for value in range(256) if value not in rule.values)


def write_product(
    spec: SensorSpec,
    folder: str | Path,
    tile: str,
    day: date,
    layers: Mapping[str, Layer],
    *,
    number: int = 0,
) -> Path:
    """Write one product into a tile's ``folder`` and return its path.

    Bands that share a file pattern are written as bands of one file. ``number`` makes a further product of a
    day differ in name. Bands and masks that ``layers`` lacks are not written.
    """
    name = product_name(spec, tile, day, number)
    path = Path(folder) / name
    path.mkdir(parents=True)
    files: dict[str, dict[int, Layer]] = {}
    parts: tuple[BandSpec | MaskRule, ...] = (*spec.bands, *spec.masks)
    for item in parts:
        if item.name in layers:
            files.setdefault(item.file, {})[getattr(item, "index", 1)] = layers[item.name]
    for pattern, bands in files.items():
        write_raster(path / file_name(pattern, name), bands, nodata=spec.nodata)
    return path


def write_raster(path: Path, bands: Mapping[int, Layer], *, nodata: float | None = None) -> None:
    """Write layers of one lattice as the numbered bands of a GeoTIFF in strips, as archives do."""
    first = next(iter(bands.values()))
    holds = nodata is not None and np.can_cast(np.min_scalar_type(int(nodata)), first.values.dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=first.geobox.shape.y,
        width=first.geobox.shape.x,
        count=max(bands),
        dtype=first.values.dtype,
        crs=str(first.geobox.crs),
        transform=first.geobox.affine,
        nodata=nodata if holds else None,
        compress="deflate",
    ) as file:
        for index, layer in bands.items():
            file.write(layer.values, index)


def product_name(spec: SensorSpec, tile: str, day: date, number: int = 0) -> str:
    """A name of a product folder that matches the sensor's pattern; ``number`` makes names of one day
    differ."""
    given = {"date": f"{day:%Y%m%d}", "tile": tile}
    name = _example(_parser.parse(spec.product), given)
    name += f"made-up-{number}" if re.match(spec.product, name + "x") else ""
    match = re.match(spec.product, name)
    if match is None or match["date"] != given["date"]:
        raise ValueError(f"no name could be made that matches {spec.product}")
    return name


def file_name(pattern: str, product: str) -> str:
    """A path that the glob ``pattern`` matches: its first ``*`` in the last part is the name of the
    product."""
    *folders, last = [part for part in pattern.split("/") if part != "**"]
    plain = [part.replace("*", "x").replace("?", "x") for part in folders]
    return "/".join([*plain, last.replace("*", product, 1).replace("*", "x").replace("?", "x")])


def _example(parsed: Any, given: Mapping[str, str]) -> str:
    """A shortest text that a parsed regular expression matches, with ``given`` texts for the named groups."""
    names = {number: name for name, number in parsed.state.groupdict.items()}

    def text(element: Any) -> str:
        """The text of one (kind, content) element."""
        kind, what = element
        if kind is _constants.SUBPATTERN:
            return given.get(names.get(what[0], ""), "".join(map(text, what[-1])))
        if kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
            return what[0] * "".join(map(text, what[2]))
        if kind is _constants.BRANCH:
            return "".join(map(text, what[1][0]))
        return text(what[0]) if kind is _constants.IN else _character(kind, what)

    return "".join(map(text, parsed))


def _character(kind: Any, what: Any) -> str:
    """A character that a part of a regular expression matches; none for anchors."""
    if kind is _constants.CATEGORY:
        return {_constants.CATEGORY_DIGIT: "0", _constants.CATEGORY_SPACE: " "}.get(what, "x")
    if kind in (_constants.LITERAL, _constants.RANGE):
        return chr(what if kind is _constants.LITERAL else what[0])
    if kind in (_constants.ANY, _constants.AT):
        return "x" if kind is _constants.ANY else ""
    raise ValueError(f"product patterns with {kind} have no example")
