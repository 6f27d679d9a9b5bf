"""Plausibility checks of the pixel values of a tile: impossible values raise errors, doubtful ones give notes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from iota2.compute import plausible
from iota2.compute.plausible import BandValues, Doubt
from iota2.compute.voids import ASTRONOMIC, CODES, NEAR
from iota2.core.remarks import Remark, remarks_about
from iota2.core.scene import Scene, SensorScene
from iota2.core.words import counted, some
from iota2.errors import DamagedProduct, InputError
from iota2.io.archive.headers import read_header
from iota2.io.archive.nodata import shown
from iota2.io.files.addresses import is_remote
from iota2.io.files.tiff_tables import read_blocks
from iota2.io.series.value_samples import ValueSample, find_undeclared_nodata, sample_values

Table = Mapping[str, Sequence[BandValues | None]]
REMEDY = "Get the product again, move it away, or set chain.skip_damaged_products."
UNSIGNED_OFFSET = 1 << 16
"""Difference between a negative 16-bit number read as unsigned and its true value."""
MIN_WRAPPED_PIXELS = 5
"""Minimum number of pixels before values are interpreted as negative numbers read as unsigned."""


def check_values(scene: Scene, bands: Mapping[str, Sequence[str]], *, threads: int = 1) -> list[Remark]:
    """Remarks on values of the images that are doubtful; DamagedProduct for those that cannot be.

    ``bands``: the bands used, by sensor; all bands are checked for sensors that are not listed.
    """
    remarks: list[Remark] = []
    for sensor in scene.sensors:
        where = f"{sensor.spec.section}, tile {scene.tile}"
        texts = [f"{where}: {note}" for note in _notes(scene, sensor, bands, threads)]
        remarks += remarks_about(texts, "values", tile=scene.tile, sensor=sensor.spec.name)
    return remarks


def _notes(scene: Scene, sensor: SensorScene, bands: Mapping[str, Sequence[str]], threads: int) -> Iterator[str]:
    """What is doubtful about the values of one sensor."""
    used = [name for name in bands.get(sensor.spec.name, sensor.spec.band_names) if name in sensor.grids]
    if sensor.spec.static:
        yield from _stored_notes(scene.tile, sensor, used)
        yield from _layer_notes(scene, sensor)
    elif used and sensor.acquisitions:
        yield from _stored_notes(scene.tile, sensor, used)
        try:
            sample = sample_values(scene, sensor, used, threads=threads)
        except DamagedProduct as err:
            # the jobs that need these pixels fail by the file's name; until then masks alone may be enough
            yield f"values are not checked: {err}"
            return
        yield from _value_notes(scene.tile, sensor, sample)


def _stored_notes(tile: str, sensor: SensorScene, used: Sequence[str]) -> Iterator[str]:
    """Note on files with blocks that are not stored and read as values; DamagedProduct for lost blocks."""
    sparse: dict[str, list[str]] = {}
    for acquisition in sensor.acquisitions:
        files = {name: path for name, path in acquisition.bands.items() if name in used} | {**acquisition.masks}
        for path in dict.fromkeys(path for path in files.values() if not is_remote(path)):
            blocks = read_blocks(path)
            if blocks is None or not (blocks.absent or blocks.broken):
                continue
            if blocks.damaged:
                damage = (
                    f"tile {tile}: {path}: {counted(blocks.broken or blocks.absent, 'block')} of {blocks.count} of its "
                    "pixels cannot be found: its table of strips or tiles is damaged. "
                )
                if sensor.spec.static:  # a layer cannot be left out as a date can
                    raise InputError(f"{damage}Get the file again.")
                raise DamagedProduct(
                    damage + REMEDY,
                    tile=tile,
                    product=acquisition.product,
                    path=path,
                )
            names = [name for name in used if acquisition.bands[name] == path]
            if any(sensor.spec.nodata_of(name) is None for name in names):
                share = f"{path} ({blocks.absent} of {blocks.count} blocks)"
                sparse.setdefault(acquisition.product, []).append(share)
    if sparse:
        first = next(iter(sparse.values()))
        dated = f"files of {len(sparse)} of {counted(len(sensor.acquisitions), 'product')}"
        what = "layers" if sensor.spec.static else dated
        yield (
            f"{what} do not store all blocks of "
            f"their pixels (first: {first[0]}): absent blocks are read as 0, or as the file's nodata tag"
        )


def _layer_notes(scene: Scene, layers: SensorScene) -> Iterator[str]:
    """Notes on layers with values that look like no data but are not declared as such."""
    for name, found in find_undeclared_nodata(scene, layers).items():
        path = layers.acquisitions[0].bands[name]
        holes = {shown(value): count for value, count in found.found().items()}
        if holes:
            holes_text = ", ".join(f"{value} in {counted(count, 'pixel')}" for value, count in holes.items())
            yield (
                f"layer {name} ({path}) contains {holes_text} of {found.pixels}, which looks like no data that the "
                f"file does not declare, and is used as a measured value. If so, set {layers.spec.section}.nodata to "
                f"[{', '.join(holes)}]"
            )
        band = next(one for one in layers.spec.bands if one.name == name)
        header, _ = read_header(path, band.index)
        tag = None if header is None else header.nodata[band.index - 1]
        if found.nan and not (tag is not None and math.isnan(tag)):
            yield (
                f"layer {name} ({path}) is NaN or infinite in {counted(found.nan, 'pixel')} of {found.pixels}: these "
                "are missing"
            )


def _value_notes(tile: str, sensor: SensorScene, sample: ValueSample) -> Iterator[str]:
    """Notes on the sampled values of a series; DamagedProduct for impossible ones.

    Values under masks count only for the error.
    """
    dates = range(len(sensor.acquisitions))
    table: Table = {name: [sample.values_of(t, k) for t in dates] for k, name in enumerate(sample.bands)}
    certain = [*_wrapped(sensor, sample), *(plausible.impossible(table) if sensor.spec.spectral else ())]
    if certain:
        raise _damaged(tile, sensor, certain)
    table = {
        name: [one if sample.can_be_checked(t) else None for t, one in enumerate(of)] for name, of in table.items()
    }
    unlike = plausible.out_of_scale(table) if sensor.spec.spectral else iter(())
    yield from _joint_note(sensor, "unlike those of the other dates", chain(plausible.unlike_others(table), unlike))
    yield from _holes(sensor, sample)
    if not sensor.spec.spectral:
        return
    sign = "negative in more than 5 % of the pixels, as with a wrong offset or scale"
    yield from _joint_note(sensor, sign, plausible.negative(table))
    yield from _joint_note(sensor, "beyond 20000, twice a reflectance of 1, in more than 5 %", plausible.huge(table))
    beyond = "beyond -1 to 1 in more than 5 % of the pixels, as with a wrong offset"
    yield from _joint_note(sensor, beyond, _indices(sensor, sample), what="indices")
    low = plausible.unscaled(table)
    if low:
        yield (
            f"values of {some(low, 13)} range from 0 to {plausible.TINY:g} on all dates, although a reflectance of 1 "
            "is 10000 by the description of the sensor. If they are reflectances from 0 to 1, set `scale: 10000` in it"
        )


def _holes(sensor: SensorScene, sample: ValueSample) -> Iterator[str]:
    """Note on values that often stand for no data but are not declared in the files or the sensor description."""
    found: dict[str, list[str]] = {}
    codes = [code for code in CODES if code < 0 or code == 65535]
    for t, one in enumerate(sensor.acquisitions):
        for k, name in enumerate(sample.bands):
            scale, offset = sensor.scaling(t, name)
            known = (sample.values[t, k, sample.clear[t]].astype(np.float64) - offset) / scale
            known = known[np.isfinite(known)]
            for code, count in _unmarked(known, codes):
                found.setdefault(one.product, []).append(f"{name} {shown(code)} in {100 * count / len(known):.2g} %")
    if found:
        listed = some([f"{product} ({some(bands, 13)})" for product, bands in found.items()])
        yield (
            f"files of {len(found)} of {counted(len(sensor.acquisitions), 'product')} contain values that look like no "
            "data, which neither the files nor the description of the sensor declare, and are used as measured "
            f"values: {listed}. If so, mark them in the files (gdal_edit.py -a_nodata), or write them as nodata in a "
            "description of your own"
        )


def _unmarked(known: np.ndarray, codes: Sequence[float]) -> Iterator[tuple[float, int]]:
    """Codes and extremely large values that stand out from the other values, with their number of pixels."""
    large = np.abs(known) >= ASTRONOMIC
    if np.count_nonzero(large) >= plausible.FEW:
        yield float(known[large][0]), int(np.count_nonzero(large))
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    for code in codes:
        if low <= code + 1 and code - 1 <= high:  # else none is there, which is quickly seen
            away = np.abs(known - code)
            count = int(np.count_nonzero(away <= 1e-6 * abs(code)))
            if count >= plausible.FEW and 2 * count > np.count_nonzero(away <= NEAR):
                yield code, count


def _indices(sensor: SensorScene, sample: ValueSample) -> Iterator[Doubt]:
    """Doubts about normalised differences beyond -1 to 1."""
    place = {role: sample.bands.index(name) for role, name in sensor.spec.roles.items() if name in sample.bands}
    for name, first, second in (("NDVI", "nir", "red"), ("NDWI", "swir", "nir")):
        if first in place and second in place:
            for t, layers in enumerate(sample.values):
                if not sample.can_be_checked(t):
                    continue
                pixels = sample.clear[t] if sample.clear[t].sum() >= plausible.ENOUGH else slice(None)
                share = plausible.beyond_one(layers[place[first], pixels], layers[place[second], pixels])
                if share > plausible.SHARE:
                    yield Doubt(t, name, f"{100 * share:.0f} %")


def _wrapped(sensor: SensorScene, sample: ValueSample) -> Iterator[Doubt]:
    """Bands whose negative nodata value was read as unsigned."""
    for k, name in enumerate(sample.bands):
        marker = sensor.spec.nodata_of(name)
        if marker is None or not -(UNSIGNED_OFFSET // 2) <= marker < 0:
            continue
        for t in range(len(sensor.acquisitions)):
            scale, offset = sensor.scaling(t, name)
            known = sample.values[t, k][np.isfinite(sample.values[t, k])]
            wrong = np.isclose(known, (marker + UNSIGNED_OFFSET) * scale + offset, rtol=1e-6, atol=0)
            if np.count_nonzero(wrong) >= MIN_WRAPPED_PIXELS:
                yield Doubt(
                    t,
                    name,
                    f"{100 * wrong.mean():.2g} % of its pixels contain {shown(marker + UNSIGNED_OFFSET)}, which is "
                    f"nodata {shown(marker)} read without its sign: the header declares a wrong type",
                )


def _damaged(tile: str, sensor: SensorScene, certain: Sequence[Doubt]) -> DamagedProduct:
    """Error for the first product with impossible values; it names the others."""
    first = certain[0]
    one = sensor.acquisitions[first.date]
    own = [doubt.name for doubt in certain if doubt.date == first.date]
    others = [sensor.acquisitions[t].product for t in dict.fromkeys(d.date for d in certain) if t != first.date]
    more = f"{'' if len(own) < 2 else f' The same holds for {some(own[1:], 13)} of this product.'}"
    more += f" Likewise: {some(others)}." if others else ""
    return DamagedProduct(
        f"tile {tile}: {one.bands[first.name]}: values of band {first.name} cannot be right: {first.text}.{more} "
        f"{REMEDY}",
        tile=tile,
        product=one.product,
        path=one.bands[first.name],
    )


def _joint_note(sensor: SensorScene, ailment: str, doubts: Iterable[Doubt], *, what: str = "values") -> Iterator[str]:
    """One note on all products of a series with the same doubt."""
    by_date: dict[int, list[str]] = {}
    for doubt in doubts:
        by_date.setdefault(doubt.date, []).append(f"{doubt.name} {doubt.text}")
    if by_date:
        products = [f"{sensor.acquisitions[t].product} ({some(bands, 13)})" for t, bands in sorted(by_date.items())]
        yield (
            f"{what} of {len(by_date)} of {counted(len(sensor.acquisitions), 'product')} are {ailment}: "
            f"{some(products)}"
        )
