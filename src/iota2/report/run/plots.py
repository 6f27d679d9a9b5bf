"""Layout of the plots: calendar of the products, displacements of the dates, timeline of the workers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from iota2.core.words import counted
from iota2.report.run.graph import shortened
from iota2.report.run.values import JobView, ProductView, SeriesView

NAMES_WIDTH, AXIS_WIDTH, LANE_DISTANCE, TICKS_HEIGHT = 170.0, 900.0, 22.0, 26.0
"""Pixels: space for the names of lanes, length of the time axis, distance of lanes, space for the tick labels."""
RIGHT_MARGIN = 64.0
"""Space for the last tick label, in pixels."""
MAX_NAME_CHARACTERS = 24
"""Maximum characters of the name of a lane."""
MARK_HEIGHT = 16.0
"""Height of the mark of a date whose image covers the whole tile."""
MIN_MARK_WIDTH, MAX_MARK_WIDTH = 1.6, 7.0
"""Pixels; the width depends on the distance of dates."""
MAX_MARKS = 6000
"""Maximum number of dates with tooltips in one plot; more would make browsers slow."""
CLEAR_KINDS = ("under 20 %", "20 to 40 %", "40 to 60 %", "60 to 80 %", "80 % and more")
"""Classes of the clear share, each with its colour."""
_TICK_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800)
"""Possible distances of the ticks of the timeline."""
_MAX_TICKS = 10
DISPLACEMENT_PLOT_SIZE = 260.0
"""Width and height of the plot of displacements, in pixels."""
_CIRCLE_RADII = (0.25, 0.5, 1, 2, 4, 8, 16)
"""Possible radii of its inner circle, in pixels of the image; the outer circle has twice the radius."""
MAX_BARS = 20_000
"""Maximum number of jobs in the timeline; the latest are shown."""


@dataclass(frozen=True)
class Tick:
    """Vertical line at a time, with a label."""

    x: float
    label: str


@dataclass(frozen=True)
class Mark:
    """Mark of a date in the calendar: SVG paths by kind.

    Kinds: ``shown``: share of the tile that the image covers; ``c0`` … ``c4``: clear share of that area, by class;
    ``none``: the image does not cover the tile; ``unknown``: not read yet.
    """

    paths: tuple[tuple[str, str], ...]
    about: str = ""
    """Tooltip."""


@dataclass(frozen=True)
class Lane:
    """Horizontal line of a plot: its name, and its marks or bars."""

    name: str
    label: str
    """The name, shortened if necessary."""
    y: float
    marks: tuple[Mark, ...] = ()
    about: str = ""
    bars: tuple[tuple[float, float, JobView], ...] = ()
    """Left end, width and job."""


@dataclass(frozen=True)
class Plot:
    """Plot with a horizontal time axis."""

    title: str
    width: float
    height: float
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]
    thickness: float = 0.0
    """Width of the marks, in pixels."""


@dataclass(frozen=True)
class Dot:
    """Displacement of a date as a point of the plot."""

    x: float
    y: float
    about: str


@dataclass(frozen=True)
class DisplacementPlot:
    """Plot of the displacements of dates; the centre is zero."""

    side: float
    circles: tuple[tuple[float, str], ...]
    """Radius and label."""
    dots: tuple[Dot, ...]


def displacement_plot(series: SeriesView) -> DisplacementPlot | None:
    """Plot of the displacements of a series; None if no displacement is known.

    Dates that could not be compared have no dot.
    """
    known = [(one.day, one.aligned) for one in series.products if one.aligned and one.aligned.known]
    if not known:
        return None
    largest = max(math.hypot(place.right, place.down) for _, place in known)
    radius = next((radius for radius in _CIRCLE_RADII if largest <= 2 * radius), _CIRCLE_RADII[-1])
    scale = (DISPLACEMENT_PLOT_SIZE / 2 - 16) / max(2 * radius, largest)
    dots = tuple(
        Dot(
            DISPLACEMENT_PLOT_SIZE / 2 + scale * place.right,
            DISPLACEMENT_PLOT_SIZE / 2 + scale * place.down,
            f"{day}: {place.right:+.2f} pixels right, {place.down:+.2f} down",
        )
        for day, place in known
    )
    circles = tuple((scale * k * radius, f"{k * radius:g}") for k in (1, 2))
    return DisplacementPlot(DISPLACEMENT_PLOT_SIZE, circles, dots)


def calendars(series: Sequence[SeriesView]) -> list[Plot]:
    """Calendar of each sensor: one line per tile and one mark per date; all calendars have the same period."""
    by_sensor: dict[str, list[SeriesView]] = defaultdict(list)
    for one in series:
        if one.products:
            by_sensor[one.sensor].append(one)
    all_days = [product.day.toordinal() for one in series for product in one.products]
    return [_calendar(sensor, members, min(all_days), max(all_days)) for sensor, members in by_sensor.items()]


def _calendar(sensor: str, members: Sequence[SeriesView], begin: int, end: int) -> Plot:
    """Calendar of one sensor from day ``begin`` to ``end`` (ordinals)."""
    days = sorted({product.day.toordinal() for one in members for product in one.products})
    first, span = begin - 3, end - begin + 6
    closest = min((b - a for a, b in pairwise(days)), default=span)
    thickness = min(max(0.8 * AXIS_WIDTH * closest / span, MIN_MARK_WIDTH), MAX_MARK_WIDTH)
    with_tooltips = sum(len(one.products) for one in members) <= MAX_MARKS

    def x_of(day: int) -> float:
        return NAMES_WIDTH + AXIS_WIDTH * (day - first) / span

    lanes = []
    for number, one in enumerate(members):
        y = TICKS_HEIGHT + number * LANE_DISTANCE
        marks = [_mark(product, x_of(product.day.toordinal()), y + 2 + MARK_HEIGHT) for product in one.products]
        about = f"{counted(len(one.products), 'date')}, {one.products[0].day} to {one.products[-1].day}"
        lanes.append(
            Lane(
                one.tile,
                shortened(one.tile, MAX_NAME_CHARACTERS),
                y,
                tuple(marks) if with_tooltips else _merged_marks(marks),
                about,
            )
        )
    ticks = [Tick(x_of(day.toordinal()), label) for day, label in _months(first, first + span)]
    height = TICKS_HEIGHT + len(members) * LANE_DISTANCE + 6
    return Plot(sensor, NAMES_WIDTH + AXIS_WIDTH + RIGHT_MARGIN, height, tuple(ticks), tuple(lanes), thickness)


def _mark(product: ProductView, x: float, y: float) -> Mark:
    """Mark of a date: a vertical line up from ``y`` for the covered area, and one over it for the clear share."""
    if product.inside is None:
        return Mark((("unknown", f"M{x:.1f} {y:.1f}v-{MARK_HEIGHT:g}"),), f"{product.day}: not read yet")
    if product.clear is None:
        return Mark((("none", f"M{x:.1f} {y:.1f}v-2"),), f"{product.day}: the image does not cover the tile")
    shown = max(MARK_HEIGHT * product.inside, 2.0)
    kind = f"c{min(int(product.clear * len(CLEAR_KINDS)), len(CLEAR_KINDS) - 1)}"
    return Mark(
        (("shown", f"M{x:.1f} {y:.1f}v-{shown:.1f}"), (kind, f"M{x:.1f} {y:.1f}v-{shown * product.clear:.1f}")),
        f"{product.day}: {100 * product.clear:.0f} % clear; the image covers {100 * product.inside:.0f} % of the tile",
    )


def _merged_marks(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """All marks of a lane merged into one, without tooltips."""
    paths: dict[str, str] = dict.fromkeys(("unknown", "none", "shown"), "")
    for mark in marks:
        for kind, path in mark.paths:
            paths[kind] = paths.get(kind, "") + path
    return (Mark(tuple((kind, path) for kind, path in paths.items() if path)),)


MIN_LABELLED_DAYS = 12
"""Minimum number of days of a first, incomplete month that has a label: fewer days have no space for it."""


def _months(first: int, last: int) -> list[tuple[date, str]]:
    """First days of months, or of years for long periods, with labels."""
    begin, end = date.fromordinal(first), date.fromordinal(last)
    months = [date(year, month, 1) for year in range(begin.year, end.year + 1) for month in range(1, 13)]
    found = [day for day in months if begin <= day <= end]
    if len(found) > 26:
        return [(day, str(day.year)) for day in found if day.month == 1]
    if not found or (found[0] - begin).days > MIN_LABELLED_DAYS:
        found.insert(0, begin)
    return [(day, day.strftime("%b %Y") if day.month == 1 or day == found[0] else day.strftime("%b")) for day in found]


def timeline(jobs: Sequence[JobView], title: str = "Workers") -> Plot | None:
    """Timeline with a line per worker and a bar per job of this run; None if no job ran."""
    ran = sorted((job for job in jobs if job.started and job.worker), key=lambda job: job.started)[-MAX_BARS:]
    if not ran:
        return None
    first = min(job.started for job in ran)
    span = max(max(job.started + job.seconds for job in ran) - first, 1.0)
    by_worker: dict[str, list[JobView]] = defaultdict(list)
    for job in ran:
        by_worker[job.worker].append(job)
    lanes = []
    for number, (worker, members) in enumerate(by_worker.items()):
        busy = sum(job.seconds for job in members)
        bars = tuple(
            (NAMES_WIDTH + AXIS_WIDTH * (job.started - first) / span, max(0.7, AXIS_WIDTH * job.seconds / span), job)
            for job in members
        )
        about = f"{counted(len(members), 'job')}, {busy:.0f} s"
        lanes.append(
            Lane(worker, shortened(worker, MAX_NAME_CHARACTERS), TICKS_HEIGHT + number * LANE_DISTANCE, (), about, bars)
        )
    step = next((step for step in _TICK_SECONDS if span / step <= _MAX_TICKS), _TICK_SECONDS[-1])
    ticks = [
        Tick(NAMES_WIDTH + AXIS_WIDTH * k * step / span, _clock(first + k * step, step))
        for k in range(int(span / step) + 1)
    ]
    return Plot(
        title,
        NAMES_WIDTH + AXIS_WIDTH + RIGHT_MARGIN,
        TICKS_HEIGHT + len(lanes) * LANE_DISTANCE + 6,
        tuple(ticks),
        tuple(lanes),
    )


def _clock(moment: float, step: int) -> str:
    """Label of a tick at a Unix time, for ticks at a distance of ``step`` seconds."""
    return datetime.fromtimestamp(moment).strftime("%H:%M:%S" if step < 60 else "%H:%M" if step < 43200 else "%d %b")
