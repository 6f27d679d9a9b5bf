"""Data types and scales of a series that differ between dates or from the sensor description."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from iota2.core.sensor import BandSpec, SensorSpec
from iota2.core.words import counted, some
from iota2.io.archive.headers import Header
from iota2.io.archive.nodata import Found


def type_notes(spec: SensorSpec, found: Found) -> Iterator[str]:
    """Messages about files whose data type differs from most dates, and about declared scales that differ from the
    description."""
    odd: dict[tuple[str, str], dict[str, list[str]]] = {}
    for band in spec.bands:
        types = {product: header.types[band.index - 1] for product, header in _headers(band, found)}
        usual = Counter(types.values()).most_common(1)
        for product, kind in types.items():
            if kind != usual[0][0]:
                odd.setdefault((kind, usual[0][0]), {}).setdefault(product, []).append(band.name)
    for (kind, usual_kind), products in odd.items():
        yield (
            f"files of {len(products)} of {counted(len(found), 'product')} have pixels of type {kind}, those of most "
            f"dates {usual_kind}: {_named(products)}. Their values must have the same scale"
        )
    yield from _scales(spec, found)


def _scales(spec: SensorSpec, found: Found) -> Iterator[str]:
    """Scales and offsets of files, next to those of the description."""
    said: dict[tuple[float, float], dict[str, list[str]]] = {}
    for band in spec.bands:
        for product, header in _headers(band, found):
            own = header.scaling[band.index - 1] if header.scaling else (1.0, 0.0)
            # files often declare the scale to reflectances; the description's scale is 10000 times as large
            described = {(spec.scale, spec.offset), (spec.scale / 10000, spec.offset / 10000)}
            if own != (1.0, 0.0) and not any(_alike(own, one) for one in described):
                said.setdefault(own, {}).setdefault(product, []).append(band.name)
    for (scale, offset), products in said.items():
        yield (
            f"files of {len(products)} of {counted(len(found), 'product')} say scale {scale:g} and offset {offset:g}, "
            f"the description of the sensor {spec.scale:g} and {spec.offset:g}"
            f"{', where metadata of the product say nothing else' if spec.metadata else ''}: {_named(products)}. The "
            "files' own are not applied"
        )


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) <= 1e-6 * max(abs(a), abs(b)) for a, b in zip(one, other, strict=True))


def _headers(band: BandSpec, found: Found) -> Iterator[tuple[str, Header]]:
    """Product and header of the files of a band."""
    for product, (_, headers) in found.items():
        if band.name in headers and len(headers[band.name].types) >= band.index:
            yield product, headers[band.name]


def _named(products: dict[str, list[str]]) -> str:
    return some([f"{product} ({some(bands, 13)})" for product, bands in products.items()])
