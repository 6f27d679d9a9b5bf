"""Step: displacement of each date of one tile relative to a reference image."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.compute.registration import SUBPIXEL_STEP, Translation, View, too_small_to_align, translation, window_grid
from iota2.config.options.others import Coregistration
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.graph import Finding, JobContext, Step
from iota2.core.grid import resolution
from iota2.core.remarks import Remark
from iota2.core.scene import Scene, SensorScene
from iota2.errors import InputError
from iota2.io.archive.coverage import covered_share
from iota2.io.files.atomic import write_json, write_text
from iota2.io.series.alignment import ReferenceImage, date_views, reference_grid, reference_views
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.alignments import Alignment, alignments_csv


class Mode(IntEnum):
    """Relation between the translations of the dates, numbered as in option `coregistration.mode`."""

    EACH_DATE = 1
    """Each date is compared with the reference image and moved by its own translation."""
    ALL_DATES = 2
    """All dates are moved by one translation."""
    CASCADE = 3
    """Each date is compared with its neighbour in time, the first with the reference image."""


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AlignmentParams:
    """Reference image, compared bands, and relation between the translations of the dates."""

    reference: str
    """Path as text; a change of the file is detected by the list of the tile's image files."""
    band_ref: int
    band_src: int
    limit: float
    """Largest translation, in pixels."""
    mode: int
    """A number of ``Mode``."""
    near: date | None
    """Date that is compared with the reference image in modes 2 and 3, or the nearest date; None selects one."""
    near_by_tile: tuple[tuple[str, date | None], ...] = ()
    """Date ``near`` of each tile, where tiles differ."""

    def of_tile(self, tile: str) -> AlignmentParams:
        """The parameters for one tile, with its date ``near``."""
        return replace(self, near=dict(self.near_by_tile).get(tile, self.near), near_by_tile=())


def params(config: Config) -> AlignmentParams:
    """Parameters of coregistration: the options of section `coregistration`."""
    given = config.coregistration
    days = [day or given.date_vhr for day in given.date_src or (None,)]
    by_tile = tuple(zip(config.chain.list_tile, days, strict=True)) if len(days) > 1 else ()
    near = None if by_tile else days[0]
    return AlignmentParams(str(given.vhr_path), given.band_ref, given.band_src, given.prec, given.mode, near, by_tile)


def run(job: JobContext[AlignmentParams]) -> None:
    """Compare the dates of each optical sensor with the reference image, and write their corrections."""
    scene = read_scene(job.inp.scene)
    given = job.params.of_tile(scene.tile)
    aligned = {sensor.spec.name: align(scene.tile, sensor, given) for sensor in optical(scene)}
    for sensor, dates in aligned.items():
        for key, one in dates.items():
            log.info("%s %s: %s", sensor, key, _alignment_text(one))
    write_json(job.out.shifts, {sensor.spec.name: shifts_of(sensor, aligned, given) for sensor in optical(scene)})
    write_text(job.out.table, alignments_csv(aligned))


def optical(scene: Scene) -> list[SensorScene]:
    """Optical sensors: only their images are compared with the reference image."""
    return [sensor for sensor in scene.series if sensor.spec.spectral]


def align(tile: str, sensor: SensorScene, given: AlignmentParams) -> dict[str, Alignment]:
    """Alignment of each date of a sensor, by key of the date."""
    band = sensor.spec.band_names[given.band_src - 1]
    grid = sensor.grids[band]
    windows = window_grid((grid.shape.y, grid.shape.x))
    reference = reference_views(ReferenceImage(Path(given.reference), given.band_ref), grid, windows)

    def views(t: int) -> list[View]:
        return date_views(tile, sensor, sensor.acquisitions[t], band, windows)

    found = [translation(reference, views(t), given.limit) for t in range(len(sensor.acquisitions))]
    if given.mode == Mode.CASCADE:
        aligned = _cascade(sensor, found, views, given)
    else:
        aligned = (
            _shared(sensor, found, given.near)
            if given.mode == Mode.ALL_DATES
            else [_own_alignment(one) for one in found]
        )
    return dict(zip(sensor.keys, (_small_as_zero(one) for one in aligned), strict=True))


def _own_alignment(found: Translation) -> Alignment:
    """Alignment of a date by its own translation; the date is not moved if the translation is unknown."""
    if found.rejected:
        return Alignment(found, about=found.rejected, known=False)
    return Alignment(found, found.right, found.down)


def _shared(sensor: SensorScene, found: Sequence[Translation], near: date | None) -> list[Alignment]:
    """Alignments with the translation of the date nearest to ``near``, or with the median translation."""
    known = _known_positions(found)
    if not known:
        return [_own_alignment(one) for one in found]
    if near is None:
        right, down = np.median([(found[t].right, found[t].down) for t in known], axis=0).tolist()
        about = f"median of {len(known)} dates"
    else:
        start = min(known, key=lambda t: abs(sensor.days[t] - near))
        right, down, about = found[start].right, found[start].down, f"translation of {sensor.keys[start]}"
    return [Alignment(one, round(right, 3), round(down, 3), about) for one in found]


def _cascade(
    sensor: SensorScene, found: Sequence[Translation], views: Callable[[int], list[View]], given: AlignmentParams
) -> list[Alignment]:
    """Alignments of the dates, each from the comparison with the neighbouring date in time.

    The first date is the one nearest to ``near``, or the one most similar to the reference image. From there the dates
    are aligned forwards and backwards. A date that cannot be compared is skipped.
    """
    aligned = [_own_alignment(one) for one in found]
    known = _known_positions(found)
    if not known:
        return aligned
    near = given.near
    if near is None:
        start = max(known, key=lambda t: found[t].after if not math.isnan(found[t].after) else -1.0)
    else:
        start = min(known, key=lambda t: abs(sensor.days[t] - near))
    aligned[start] = replace(aligned[start], about="compared with the reference image")
    for direction in (range(start + 1, len(found)), range(start - 1, -1, -1)):
        neighbour, neighbour_views = start, views(start)
        for t in direction:
            own_views = views(t)
            relative = translation(neighbour_views, own_views, given.limit)
            about = f"compared with {sensor.keys[neighbour]}"
            if relative.rejected:
                aligned[t] = Alignment(relative, about=f"{about}: {relative.rejected}", known=False)
            else:
                right = aligned[neighbour].right + relative.right
                down = aligned[neighbour].down + relative.down
                aligned[t] = Alignment(relative, round(right, 3), round(down, 3), about)
                neighbour, neighbour_views = t, own_views
    return aligned


def _known_positions(found: Sequence[Translation]) -> list[int]:
    """Positions of the dates whose translation is known."""
    return [t for t, one in enumerate(found) if not one.rejected]


def _small_as_zero(one: Alignment) -> Alignment:
    """The alignment; a translation below the measurement accuracy becomes 0, so that nothing is resampled."""
    return replace(one, right=0.0, down=0.0) if max(abs(one.right), abs(one.down)) <= SUBPIXEL_STEP else one


def shifts_of(
    sensor: SensorScene, aligned: Mapping[str, Mapping[str, Alignment]], given: AlignmentParams
) -> dict[str, tuple[float, float]]:
    """Displacement (right, down) in map units of each date that is moved, by key of the date."""
    width, height = resolution(sensor.grids[sensor.spec.band_names[given.band_src - 1]])
    dates = aligned[sensor.spec.name].items()
    return {key: (one.right * width, one.down * height) for key, one in dates if one.moved}


def _alignment_text(one: Alignment) -> str:
    """The alignment of a date as text for the log."""
    if not one.known:
        return f"not moved: {one.about}"
    position = f"displaced {one.right:+.2f} pixels right and {one.down:+.2f} down" if one.moved else "not displaced"
    return position + (f" ({one.about})" if one.about else "")


def check(config: Config, facts: Facts) -> Iterator[Finding]:
    """Problems of the reference image, from its header; if there are none, notes on tiles that are too small."""
    problems = [*_problems(config.coregistration, facts.scenes)]
    yield from (Finding(text, ("coregistration", option)) for option, text in problems)
    if not problems:
        yield from map(Finding.about, _remarks(config.coregistration, facts.scenes))


def _problems(given: Coregistration, scenes: Mapping[str, Scene]) -> Iterator[tuple[str, str]]:
    """Problems of the reference image or of a band to compare: the option, and one sentence."""
    sensors = {sensor.spec.section: sensor.spec.band_names for scene in scenes.values() for sensor in optical(scene)}
    for name, bands in sensors.items():
        if given.band_src > len(bands):
            found = f"{name} has {len(bands)} bands ({', '.join(bands)})"
            yield "band_src", f"{found}; expected a number up to {len(bands)}, got {given.band_src}."
    assert given.vhr_path is not None, "the step is active"
    try:
        grid = reference_grid(ReferenceImage(given.vhr_path, given.band_ref))
    except InputError as err:
        yield "vhr_path", str(err)
        return
    for tile, scene in scenes.items():
        if covered_share(scene.geobox, grid) == 0:
            yield (
                "vhr_path",
                f"{given.vhr_path} does not overlap tile {tile}. Use an image that covers all tiles, or process the "
                "other tiles in a separate run.",
            )


def _remarks(given: Coregistration, scenes: Mapping[str, Scene]) -> Iterator[Remark]:
    """Sensors whose images of a tile are too small to be aligned."""
    for tile, scene in scenes.items():
        for sensor in optical(scene):
            shape = sensor.grids[sensor.spec.band_names[given.band_src - 1]].shape
            if why := too_small_to_align((shape.y, shape.x)):
                text = f"coregistration: {sensor.spec.name}, tile {tile}: {why}; its dates are not moved."
                yield Remark(text, "alignment", tile, sensor.spec.name)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: about a tenth of the pixels of each date are read."""
    return facts.raster_cost(seconds_per_pixel=0.1 * READING_SECONDS * facts.layers)


STEP = Step(
    name="coregistration",
    group="init",
    about="Estimate the displacement of each date from a reference image.",
    task="coregistration_{tile}",
    run=run,
    over=("tile",),
    needs={"scene": layout.SCENE, "listing": layout.LISTING},
    makes={"shifts": layout.SHIFTS, "table": layout.SHIFTS_TABLE},
    params=params,
    when=layout.with_coregistration,
    cost=cost,
    check=check,
)
