"""Optional bands and masks, which are not read when products lack them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from iota2.core.grid import resolution
from iota2.core.sensor import MaskRule, SensorSpec
from iota2.io.archive.product import Product


def read_available_parts(
    spec: SensorSpec, kept: Collection[str], where: str, read: Callable[[SensorSpec], list[Product]]
) -> tuple[SensorSpec, list[Product], tuple[str, ...]]:
    """The sensor without missing optional parts, its products from ``read``, and notes.

    A band that is not ``kept`` (empty: all are kept) is omitted when some product lacks it. A mask that the sensor can
    do without (``spare``) is omitted when no product has it. If the reference band is omitted, the kept band with the
    smallest pixels replaces it.
    """
    products = read(spec)
    lacking = _missing_bands(spec, kept, products)
    reduced = with_optional_spare_masks(spec, products)
    if lacking:
        bands = tuple(band for band in spec.bands if band.name not in lacking)
        reduced = replace(reduced, bands=bands, reference_band=_reference(spec, lacking, kept, products))
    if reduced == spec:
        return spec, _with_lost_masks(spec, products), ()
    return reduced, _with_lost_masks(reduced, read(reduced)), _notes(spec, reduced, where, lacking)


def _with_lost_masks(spec: SensorSpec, products: Sequence[Product]) -> list[Product]:
    """The products, with lost masks added to their missing files.

    A mask is lost when the product has an alternative file for it, but regular files for other masks. Such a product is
    incomplete; it is not in another format.
    """
    having = [mask for mask in spec.main_masks if mask.alternatives]

    def lost(product: Product) -> list[str]:
        if not any(mask.name in product.files for mask in having):
            return []
        return [
            mask.file for mask in having if any(one.name in product.files for one in spec.alternatives_of(mask.name))
        ]

    return [replace(product, missing=(*product.missing, *lost(product))) for product in products]


def with_optional_spare_masks(spec: SensorSpec, products: Sequence[Product]) -> SensorSpec:
    """The sensor, with each ``spare`` mask made optional that no product has."""
    there = {name for product in products for name in product.files}

    def lacks(mask: MaskRule) -> bool:
        return not any(name in there for name in (mask.name, *(one.name for one in spec.alternatives_of(mask.name))))

    masks = [replace(mask, optional=True) if mask.spare and lacks(mask) else mask for mask in spec.masks]
    return replace(spec, masks=tuple(masks))


def _notes(spec: SensorSpec, reduced: SensorSpec, where: str, lacking: Sequence[str]) -> tuple[str, ...]:
    """A note on omitted bands."""
    if not lacking:
        return ()
    note = f"{where}: not read, excluded by keep_bands and missing in some products: {', '.join(lacking)}"
    if reduced.reference.name != spec.reference.name:
        note += f"; the grid of the tile is that of {reduced.reference.name}, not of {spec.reference.name}"
    return (note,)


def _missing_bands(spec: SensorSpec, kept: Collection[str], products: Sequence[Product]) -> list[str]:
    """Names of bands that are not kept and that some product lacks.

    For the reference band, only products with all kept bands count: an unusable product must not change the grid of the
    tile.
    """
    others = [band.name for band in spec.bands if kept and band.name not in kept]
    whole = [product for product in products if all(name in product.headers for name in kept)]
    reference = spec.reference.name
    return [name for name in others if any(name not in p.headers for p in (whole if name == reference else products))]


def _reference(spec: SensorSpec, lacking: Collection[str], kept: Collection[str], products: Sequence[Product]) -> str:
    """Name of the reference band; of the kept band with the smallest pixels when the reference band is missing."""
    if spec.reference.name not in lacking:
        return spec.reference.name
    headers = next(product.headers for product in products if all(name in product.headers for name in kept))
    return min((name for name in spec.band_names if name in kept), key=lambda name: resolution(headers[name].grid))
