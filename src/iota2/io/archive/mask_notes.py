"""Notes on masks that products lack, which are replaced by another file or ignored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from iota2.core.sensor import MaskRule, SensorSpec
from iota2.core.words import counted


def mask_notes(where: str, spec: SensorSpec, found: Sequence[Collection[str]]) -> tuple[str, ...]:
    """Notes on replaced masks, and on missing masks that the sensor can do without (``spare``).

    ``found``: names of the bands and masks of each product.
    """
    return tuple(f"{where}: {message}" for mask in spec.main_masks for message in _of_mask(spec, mask, found))


def _of_mask(spec: SensorSpec, mask: MaskRule, found: Sequence[Collection[str]]) -> Iterator[str]:
    lacking = [names for names in found if mask.name not in names]
    of_all = f"of {counted(len(found), 'product')}"
    for stand_in in spec.alternatives_of(mask.name):
        count = sum(stand_in.name in names for names in lacking)
        if count:
            yield f"{count} {of_all} without {mask.file}: {stand_in.file} is read instead"
    bare = sum(not any(one.name in names for one in spec.alternatives_of(mask.name)) for names in lacking)
    if not mask.spare:
        return
    if bare and mask.edge:
        yield f"{bare} {of_all} without the mask {mask.name} ({mask.file}): pixels with data in the bands are used"
    elif bare:
        yield f"{bare} {of_all} without the mask {mask.name} ({mask.file}): it masks no pixel of these products"
