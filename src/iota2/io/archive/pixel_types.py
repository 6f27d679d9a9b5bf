"""Notes on data types that differ between dates, and on scales that differ from the sensor description."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from iota2.core.sensor import BandSpec, SensorSpec
from iota2.core.words import counted, some
from iota2.io.archive.headers import Header
from iota2.io.archive.nodata import HeadersByProduct


def type_notes(spec: SensorSpec, found: HeadersByProduct) -> Iterator[str]:
    """Notes on files with another data type than most dates, or with another scale than the sensor description."""
    odd: dict[tuple[str, str], dict[str, list[str]]] = {}
    for band in spec.bands:
        types = {product: header.types[band.index - 1] for product, header in _headers(band, found)}
        usual = Counter(types.values()).most_common(1)
        for product, kind in types.items():
            if kind != usual[0][0]:
                odd.setdefault((kind, usual[0][0]), {}).setdefault(product, []).append(band.name)
    for (kind, usual_kind), products in odd.items():
        yield (
            f"files of {len(products)} of {counted(len(found), 'product')} have pixels of type {kind}, files of most "
            f"dates {usual_kind}: {_named(products)}. Check that their values have the same scale"
        )
    yield from _scales(spec, found)


def _scales(spec: SensorSpec, found: HeadersByProduct) -> Iterator[str]:
    """Notes on scales and offsets in files that differ from those of the description."""
    said: dict[tuple[float, float], dict[str, list[str]]] = {}
    for band in spec.bands:
        for product, header in _headers(band, found):
            own = header.scaling[band.index - 1] if header.scaling else (1.0, 0.0)
            # files often declare the scale to reflectance, which is that of the description divided by 10000
            described = {(spec.scale, spec.offset), (spec.scale / 10000, spec.offset / 10000)}
            if own != (1.0, 0.0) and not any(_alike(own, one) for one in described):
                said.setdefault(own, {}).setdefault(product, []).append(band.name)
    for (scale, offset), products in said.items():
        yield (
            f"files of {len(products)} of {counted(len(found), 'product')} declare scale {scale:g} and offset "
            f"{offset:g}, the sensor description {spec.scale:g} and {spec.offset:g}"
            f"{' (unless product metadata differ)' if spec.metadata else ''}: {_named(products)}. Scale and offset of "
            "the files are not applied"
        )


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) <= 1e-6 * max(abs(a), abs(b)) for a, b in zip(one, other, strict=True))


def _headers(band: BandSpec, found: HeadersByProduct) -> Iterator[tuple[str, Header]]:
    """Product name and header of each file of a band."""
    for product, (_, headers) in found.items():
        if band.name in headers and len(headers[band.name].types) >= band.index:
            yield product, headers[band.name]


def _named(products: dict[str, list[str]]) -> str:
    return some([f"{product} ({some(bands, 13)})" for product, bands in products.items()])
