"""Bands and masks that a run can do without, when some products lack them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from iota2.core.grid import resolution
from iota2.core.sensor import MaskRule, SensorSpec
from iota2.io.archive.product import Product


def read_kept(
    spec: SensorSpec, kept: Collection[str], where: str, read: Callable[[SensorSpec], list[Product]]
) -> tuple[SensorSpec, list[Product], tuple[str, ...]]:
    """Products read by ``read`` without missing optional parts; the sensor without these parts; and notes.

    Optional parts are bands that are not ``kept`` (empty keeps all) and that cannot be read in some product, and spare
    masks that no product has. When the reference band is one of them, the finest kept band replaces it.
    """
    products = read(spec)
    lacking = _missing_bands(spec, kept, products)
    less = without_spare(spec, products)
    if lacking:
        bands = tuple(band for band in spec.bands if band.name not in lacking)
        less = replace(less, bands=bands, reference_band=_reference(spec, lacking, kept, products))
    if less == spec:
        return spec, _with_lost_masks(spec, products), ()
    return less, _with_lost_masks(less, read(less)), _notes(spec, less, where, lacking)


def _with_lost_masks(spec: SensorSpec, products: Sequence[Product]) -> list[Product]:
    """The products, where a lost mask counts as missing.

    A mask is lost when the product has an alternative of it but the regular files of other masks: such a product is
    incomplete, not of another format.
    """
    having = [mask for mask in spec.main_masks if mask.alternatives]

    def lost(product: Product) -> list[str]:
        if not any(mask.name in product.files for mask in having):
            return []
        return [
            mask.file for mask in having if any(one.name in product.files for one in spec.alternatives_of(mask.name))
        ]

    return [replace(product, missing=(*product.missing, *lost(product))) for product in products]


def without_spare(spec: SensorSpec, products: Sequence[Product]) -> SensorSpec:
    """The sensor whose spare masks are optional when no product has them."""
    there = {name for product in products for name in product.files}

    def lacks(mask: MaskRule) -> bool:
        return not any(name in there for name in (mask.name, *(one.name for one in spec.alternatives_of(mask.name))))

    masks = [replace(mask, optional=True) if mask.spare and lacks(mask) else mask for mask in spec.masks]
    return replace(spec, masks=tuple(masks))


def _notes(spec: SensorSpec, less: SensorSpec, where: str, lacking: Sequence[str]) -> tuple[str, ...]:
    """A note on bands that are not read."""
    if not lacking:
        return ()
    note = f"{where}: not read, excluded by keep_bands and missing in some products: {', '.join(lacking)}"
    if less.reference.name != spec.reference.name:
        note += f"; the pixels of the tile are those of {less.reference.name}, not of {spec.reference.name}"
    return (note,)


def _missing_bands(spec: SensorSpec, kept: Collection[str], products: Sequence[Product]) -> list[str]:
    """Bands that are not kept and that some product lacks.

    The reference band counts only when a product with all kept bands lacks it: an unusable product must not change the
    pixels of the tile.
    """
    others = [band.name for band in spec.bands if kept and band.name not in kept]
    whole = [product for product in products if all(name in product.headers for name in kept)]
    reference = spec.reference.name
    return [name for name in others if any(name not in p.headers for p in (whole if name == reference else products))]


def _reference(spec: SensorSpec, lacking: Collection[str], kept: Collection[str], products: Sequence[Product]) -> str:
    """The reference band, or the finest kept band when the reference band is missing."""
    if spec.reference.name not in lacking:
        return spec.reference.name
    headers = next(product.headers for product in products if all(name in product.headers for name in kept))
    return min((name for name in spec.band_names if name in kept), key=lambda name: resolution(headers[name].grid))
