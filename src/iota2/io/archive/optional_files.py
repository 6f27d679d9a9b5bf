"""Which bands and masks of a sensor are read when products lack some that a run can do without."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from iota2.core.grid import resolution
from iota2.core.sensor import MaskRule, SensorSpec

if TYPE_CHECKING:
    from iota2.io.archive.products import Product


def read_kept(
    spec: SensorSpec, kept: Collection[str], where: str, read: Callable[[SensorSpec], list[Product]]
) -> tuple[SensorSpec, list[Product], tuple[str, ...]]:
    """The products as ``read`` reads them, without what they can do without; the sensor as they have it, and notes.

    That is: bands that are not ``kept`` (empty keeps all) and that cannot be read of some product, and spare masks that
    no product has. When the reference band is one of them, the finest kept band takes its place.
    """
    products = read(spec)
    lacking = _lacking(spec, kept, products)
    less = without_spare(spec, products)
    if lacking:
        bands = tuple(band for band in spec.bands if band.name not in lacking)
        less = replace(less, bands=bands, reference_band=_reference(spec, lacking, kept, products))
    if less == spec:
        return spec, _without_odd_ones(spec, products), ()
    return less, _without_odd_ones(less, read(less)), _notes(spec, less, where, lacking)


def _without_odd_ones(spec: SensorSpec, products: Sequence[Product]) -> list[Product]:
    """The products, of which those lack a mask that have an alternative of it and others of their masks as they should
    be: they are not of another kind, they have lost a file."""
    having = [mask for mask in spec.proper_masks if mask.alternatives]

    def lost(product: Product) -> list[str]:
        if not any(mask.name in product.files for mask in having):
            return []
        return [mask.file for mask in having if any(one.name in product.files for one in spec.stand_ins(mask.name))]

    return [replace(product, missing=(*product.missing, *lost(product))) for product in products]


def without_spare(spec: SensorSpec, products: Sequence[Product]) -> SensorSpec:
    """The sensor whose spare masks are optional when no product has them."""
    there = {name for product in products for name in product.files}

    def lacks(mask: MaskRule) -> bool:
        return not any(name in there for name in (mask.name, *(one.name for one in spec.stand_ins(mask.name))))

    masks = [replace(mask, optional=True) if mask.spare and lacks(mask) else mask for mask in spec.masks]
    return replace(spec, masks=tuple(masks))


def _notes(spec: SensorSpec, less: SensorSpec, where: str, lacking: Sequence[str]) -> tuple[str, ...]:
    """A note on the bands that are not read."""
    if not lacking:
        return ()
    note = f"{where}: not read, since keep_bands leaves them out and some products lack them: {', '.join(lacking)}"
    if less.reference.name != spec.reference.name:
        note += f"; the pixels of the tile are those of {less.reference.name}, not of {spec.reference.name}"
    return (note,)


def _lacking(spec: SensorSpec, kept: Collection[str], products: Sequence[Product]) -> list[str]:
    """Bands that are not kept and that some product lacks; the reference band only when one lacks it that has all that
    is kept, for a product that cannot be used must not change the pixels of the tile."""
    others = [band.name for band in spec.bands if kept and band.name not in kept]
    whole = [product for product in products if all(name in product.headers for name in kept)]
    reference = spec.reference.name
    return [name for name in others if any(name not in p.headers for p in (whole if name == reference else products))]


def _reference(spec: SensorSpec, lacking: Collection[str], kept: Collection[str], products: Sequence[Product]) -> str:
    """The reference band, or the finest of those kept when it is lacking."""
    if spec.reference.name not in lacking:
        return spec.reference.name
    headers = next(product.headers for product in products if all(name in product.headers for name in kept))
    return min((name for name in spec.band_names if name in kept), key=lambda name: resolution(headers[name].grid))
