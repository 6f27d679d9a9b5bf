"""Plausibility checks of the pixel values of a tile: impossible values raise an error, doubtful values give a note."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from iota2.compute import plausible
from iota2.compute.nodata_search import MIN_ASTRONOMIC, MIN_CODE_DISTANCE, USUAL_CODES
from iota2.compute.plausible import BandValues, ImplausibleValues
from iota2.core.remarks import Remark, remarks_about
from iota2.core.scene import Scene, SensorScene
from iota2.core.words import counted, some
from iota2.errors import DamagedProduct, InputError
from iota2.io.archive.headers import read_header
from iota2.io.archive.layers import EXOGENOUS_SECTION
from iota2.io.archive.nodata import shown
from iota2.io.files.addresses import is_remote
from iota2.io.files.tiff_tables import read_blocks
from iota2.io.series.value_samples import ValueSample, find_undeclared_nodata, sample_values

Table = Mapping[str, Sequence[BandValues | None]]
"""Sampled values of each band, by date; None for a date with too few pixels."""
REMEDY = "Download the product again, remove it from the archive, or set chain.skip_damaged_products."
"""Last sentence of messages on damaged products."""
UNSIGNED_OFFSET = 1 << 16
"""Difference between a negative 16-bit number read as unsigned and its true value."""
MIN_WRAPPED_PIXELS = 5
"""Number of pixels from which values are interpreted as negative numbers read as unsigned."""


def check_values(scene: Scene, bands: Mapping[str, Sequence[str]], *, threads: int = 1) -> list[Remark]:
    """Remarks on doubtful pixel values of the images and layers.

    ``bands``: the bands to check, by sensor; all bands are checked for sensors that are not listed. Raises
    DamagedProduct for impossible values or lost blocks of an image, and InputError for lost blocks of a layer.
    """
    remarks: list[Remark] = []
    for sensor in scene.sensors:
        where = f"{sensor.spec.section}, tile {scene.tile}"
        texts = [f"{where}: {note}" for note in _notes(scene, sensor, bands, threads)]
        remarks += remarks_about(texts, "values", tile=scene.tile, sensor=sensor.spec.name)
    return remarks


def _notes(scene: Scene, sensor: SensorScene, bands: Mapping[str, Sequence[str]], threads: int) -> Iterator[str]:
    """Notes on the doubtful values of one sensor."""
    used = [name for name in bands.get(sensor.spec.name, sensor.spec.band_names) if name in sensor.grids]
    if sensor.spec.static:
        yield from _missing_block_notes(scene.tile, sensor, used)
        yield from _layer_notes(scene, sensor)
    elif used and sensor.acquisitions:
        yield from _missing_block_notes(scene.tile, sensor, used)
        try:
            sample = sample_values(scene, sensor, used, threads=threads)
        except DamagedProduct as err:
            # Not an error here: a later job that needs these pixels fails with the name of the file.
            yield f"values are not checked: {err}"
            return
        yield from _value_notes(scene.tile, sensor, sample)


def _missing_block_notes(tile: str, sensor: SensorScene, used: Sequence[str]) -> Iterator[str]:
    """Note on files with blocks that are not stored but read as values.

    Raises DamagedProduct, or InputError for a layer, if the position of stored blocks is lost.
    """
    sparse: dict[str, list[str]] = {}
    for acquisition in sensor.acquisitions:
        files = {name: path for name, path in acquisition.bands.items() if name in used} | {**acquisition.masks}
        for path in dict.fromkeys(path for path in files.values() if not is_remote(path)):
            blocks = read_blocks(path)
            if blocks is None or not (blocks.absent or blocks.broken):
                continue
            if blocks.damaged:
                damage = (
                    f"tile {tile}: {path}: {blocks.broken or blocks.absent} of {counted(blocks.count, 'block')} of "
                    "pixels cannot be found, because the file's table of strips or tiles is damaged. "
                )
                if sensor.spec.static:  # a date can be skipped, a layer cannot
                    raise InputError(f"{damage}Download or create the file again.")
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
        image_files = f"files of {len(sparse)} of {counted(len(sensor.acquisitions), 'product')}"
        what = "layers" if sensor.spec.static else image_files
        yield (
            f"{what} do not contain all blocks of pixels (first: {first[0]}): absent blocks are read as 0, or as the "
            "nodata value of the file"
        )


def _layer_notes(scene: Scene, layers: SensorScene) -> Iterator[str]:
    """Notes on layers with values that look like nodata but are not declared as nodata."""
    for name, found in find_undeclared_nodata(scene, layers).items():
        path = layers.acquisitions[0].bands[name]
        holes = {shown(value): count for value, count in found.found().items()}
        if holes:
            holes_text = ", ".join(f"{value} in {counted(count, 'pixel')}" for value, count in holes.items())
            yield (
                f"layer {name} ({path}) contains {holes_text} of {found.pixels}. This looks like nodata, but the file "
                f"does not declare it, so it is used as a measured value. If it is nodata, {_declared(layers, holes)}"
            )
        band = next(one for one in layers.spec.bands if one.name == name)
        header, _ = read_header(path, band.index)
        tag = None if header is None else header.nodata[band.index - 1]
        if found.nan and not (tag is not None and math.isnan(tag)):
            yield (
                f"layer {name} ({path}) is NaN or infinite in {counted(found.nan, 'pixel')} of {found.pixels}: these "
                "pixels are treated as missing"
            )


def _declared(layers: SensorScene, values: Iterable[str]) -> str:
    """How to declare no-data values of layers."""
    if layers.spec.section == EXOGENOUS_SECTION:
        return "declare it in the file: gdal_translate -a_nodata"
    return f"set {layers.spec.section}.nodata to [{', '.join(values)}]"


def _value_notes(tile: str, sensor: SensorScene, sample: ValueSample) -> Iterator[str]:
    """Notes on the sampled values of a series.

    Raises DamagedProduct for impossible values, which are also searched under masks.
    """
    dates = range(len(sensor.acquisitions))
    table: Table = {name: [sample.values_of(t, k) for t in dates] for k, name in enumerate(sample.bands)}
    impossible = [*_wrapped(sensor, sample), *(plausible.impossible(table) if sensor.spec.spectral else ())]
    if impossible:
        raise _damaged(tile, sensor, impossible)
    table = {
        name: [one if sample.can_be_checked(t) else None for t, one in enumerate(of)] for name, of in table.items()
    }
    out_of_scale = plausible.out_of_scale(table) if sensor.spec.spectral else iter(())
    unlike = chain(plausible.unlike_others(table), out_of_scale)
    yield from _joint_note(sensor, "unlike those of the other dates", unlike)
    yield from _undeclared_nodata(sensor, sample)
    if not sensor.spec.spectral:
        return
    negative = "negative in more than 5 % of the pixels, as with a wrong offset or scale"
    yield from _joint_note(sensor, negative, plausible.negative(table))
    huge = "above 20000, twice a reflectance of 1, in more than 5 % of the pixels"
    yield from _joint_note(sensor, huge, plausible.huge(table))
    outside = "outside -1 to 1 in more than 5 % of the pixels, as with a wrong offset"
    yield from _joint_note(sensor, outside, _index_doubts(sensor, sample), what="indices")
    low = plausible.unscaled(table)
    if low:
        yield (
            f"values of {some(low, 13)} range from 0 to {plausible.MAX_UNSCALED_VALUE:g} on all dates, but the sensor "
            "description stores a reflectance of 1 as 10000. If the values are reflectances from 0 to 1, set "
            "`scale: 10000` in the sensor description"
        )


def _undeclared_nodata(sensor: SensorScene, sample: ValueSample) -> Iterator[str]:
    """Note on common nodata values that neither the files nor the sensor description declare."""
    found: dict[str, list[str]] = {}
    codes = [code for code in USUAL_CODES if code < 0 or code == 65535]
    for t, one in enumerate(sensor.acquisitions):
        for k, name in enumerate(sample.bands):
            scale, offset = sensor.scaling(t, name)
            known = (sample.values[t, k, sample.clear[t]].astype(np.float64) - offset) / scale
            known = known[np.isfinite(known)]
            for code, count in _suspected_nodata(known, codes):
                found.setdefault(one.product, []).append(f"{name} {shown(code)} in {100 * count / len(known):.2g} %")
    if found:
        listed = some([f"{product} ({some(bands, 13)})" for product, bands in found.items()])
        yield (
            f"files of {len(found)} of {counted(len(sensor.acquisitions), 'product')} contain values that look like "
            "nodata. Neither the files nor the sensor description declare them, so they are used as measured values: "
            f"{listed}. If they are nodata, declare them in the files (gdal_edit.py -a_nodata) or in your own "
            "sensor description"
        )


def _suspected_nodata(known: np.ndarray, codes: Sequence[float]) -> Iterator[tuple[float, int]]:
    """Values that look like nodata, with their numbers of pixels: extremely large values, and ``codes`` that are far
    from the other values. ``known``: finite pixel values."""
    large = np.abs(known) >= MIN_ASTRONOMIC
    if np.count_nonzero(large) >= plausible.MIN_CODE_PIXELS:
        yield float(known[large][0]), int(np.count_nonzero(large))
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    for code in codes:
        if low <= code + 1 and code - 1 <= high:  # quick test: otherwise the code does not occur
            away = np.abs(known - code)
            count = int(np.count_nonzero(away <= 1e-6 * abs(code)))
            if count >= plausible.MIN_CODE_PIXELS and 2 * count > np.count_nonzero(away <= MIN_CODE_DISTANCE):
                yield code, count


def _index_doubts(sensor: SensorScene, sample: ValueSample) -> Iterator[ImplausibleValues]:
    """Doubts about normalised differences outside -1 to 1."""
    layer_of = {role: sample.bands.index(name) for role, name in sensor.spec.roles.items() if name in sample.bands}
    for name, first, second in (("NDVI", "nir", "red"), ("NDWI", "swir", "nir")):
        if first in layer_of and second in layer_of:
            for t, layers in enumerate(sample.values):
                if not sample.can_be_checked(t):
                    continue
                pixels = sample.clear[t] if sample.clear[t].sum() >= plausible.MIN_BAND_PIXELS else slice(None)
                share = plausible.beyond_one(layers[layer_of[first], pixels], layers[layer_of[second], pixels])
                if share > plausible.MAX_IMPLAUSIBLE_SHARE:
                    yield ImplausibleValues(t, name, f"{100 * share:.0f} %")


def _wrapped(sensor: SensorScene, sample: ValueSample) -> Iterator[ImplausibleValues]:
    """Doubts about bands whose negative nodata value was read as unsigned."""
    for k, name in enumerate(sample.bands):
        marker = sensor.spec.nodata_of(name)
        if marker is None or not -(UNSIGNED_OFFSET // 2) <= marker < 0:
            continue
        for t in range(len(sensor.acquisitions)):
            scale, offset = sensor.scaling(t, name)
            known = sample.values[t, k][np.isfinite(sample.values[t, k])]
            wrong = np.isclose(known, (marker + UNSIGNED_OFFSET) * scale + offset, rtol=1e-6, atol=0)
            if np.count_nonzero(wrong) >= MIN_WRAPPED_PIXELS:
                yield ImplausibleValues(
                    t,
                    name,
                    f"{100 * wrong.mean():.2g} % of its pixels contain {shown(marker + UNSIGNED_OFFSET)}, which is "
                    f"nodata {shown(marker)} read without its sign: the header declares a wrong type",
                )


def _damaged(tile: str, sensor: SensorScene, impossible: Sequence[ImplausibleValues]) -> DamagedProduct:
    """Error for the first product with impossible values; its message lists the other products."""
    first = impossible[0]
    acquisition = sensor.acquisitions[first.date]
    own = [doubt.name for doubt in impossible if doubt.date == first.date]
    others = [sensor.acquisitions[t].product for t in dict.fromkeys(d.date for d in impossible) if t != first.date]
    more = f"{'' if len(own) < 2 else f' Also affected in this product: {some(own[1:], 13)}.'}"
    more += f" Other products affected: {some(others)}." if others else ""
    return DamagedProduct(
        f"tile {tile}: {acquisition.bands[first.name]}: values of band {first.name} are impossible: {first.text}."
        f"{more} {REMEDY}",
        tile=tile,
        product=acquisition.product,
        path=acquisition.bands[first.name],
    )


def _joint_note(
    sensor: SensorScene, problem: str, doubts: Iterable[ImplausibleValues], *, what: str = "values"
) -> Iterator[str]:
    """One note on all products of a series with the same doubt."""
    by_date: dict[int, list[str]] = {}
    for doubt in doubts:
        by_date.setdefault(doubt.date, []).append(f"{doubt.name} {doubt.text}")
    if by_date:
        products = [f"{sensor.acquisitions[t].product} ({some(bands, 13)})" for t, bands in sorted(by_date.items())]
        yield (
            f"{what} of {len(by_date)} of {counted(len(sensor.acquisitions), 'product')} are {problem}: "
            f"{some(products)}"
        )
