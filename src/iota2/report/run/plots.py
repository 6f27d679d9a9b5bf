"""Layout of the plots over time: calendar of the products, timeline of the workers."""

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

LEFT, WIDTH, PITCH, TOP = 170.0, 900.0, 22.0, 26.0
MARGIN = 64.0
"""Space to the right for the last label."""
MAX_NAME_CHARACTERS = 24
"""Characters of a lane's name that fit beside the lane."""
MARK_HEIGHT = 16.0
"""Height of the mark of a date whose image covers the whole tile."""
MIN_MARK_WIDTH, MAX_MARK_WIDTH = 1.6, 7.0
MAX_MARKS = 6000
"""Maximum number of dates with tooltips of their own; more would make browsers slow."""
CLEAR_KINDS = ("under 20 %", "20 to 40 %", "40 to 60 %", "60 to 80 %", "80 % and more")
"""Classes of clear share, shown by the colours of dates."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800)
_MAX_TICKS = 10
TARGET_SIZE = 260.0
"""Width and height of the plot of displacements."""
_RINGS = (0.25, 0.5, 1, 2, 4, 8, 16)
"""Candidate radii, in pixels of the image, of the inner circle of that plot; the outer one has twice the radius."""
MAX_BARS = 20_000
"""Maximum number of jobs in the timeline; the latest are shown."""


@dataclass(frozen=True)
class Tick:
    """Vertical line with a label."""

    x: float
    label: str


@dataclass(frozen=True)
class Mark:
    """Mark of a date: SVG path by kind.

    ``shown``: part of the tile that the image covers; ``c0`` … ``c4``: clear share of it; ``unknown``.
    """

    paths: tuple[tuple[str, str], ...]
    about: str = ""


@dataclass(frozen=True)
class Lane:
    """Line of a plot: its name, and its marks or bars."""

    name: str
    label: str
    """The name, shortened if necessary."""
    y: float
    marks: tuple[Mark, ...] = ()
    about: str = ""
    bars: tuple[tuple[float, float, JobView], ...] = ()


@dataclass(frozen=True)
class Plot:
    """Plot with a horizontal time axis."""

    title: str
    width: float
    height: float
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]
    thickness: float = 0.0
    """Width of the marks."""


@dataclass(frozen=True)
class Dot:
    """Date at the displacement of its images."""

    x: float
    y: float
    about: str


@dataclass(frozen=True)
class Target:
    """Plot of the displacements of dates around zero, the centre."""

    side: float
    rings: tuple[tuple[float, str], ...]
    """Radius and label of circles."""
    dots: tuple[Dot, ...]


def target(series: SeriesView) -> Target | None:
    """Plot of the displacements of a series; None if none is known.

    Dates that could not be compared have no dot.
    """
    known = [(one.day, one.aligned) for one in series.products if one.aligned and one.aligned.known]
    if not known:
        return None
    furthest = max(math.hypot(place.right, place.down) for _, place in known)
    step = next((step for step in _RINGS if furthest <= 2 * step), _RINGS[-1])
    scale = (TARGET_SIZE / 2 - 16) / max(2 * step, furthest)
    dots = tuple(
        Dot(
            TARGET_SIZE / 2 + scale * place.right,
            TARGET_SIZE / 2 + scale * place.down,
            f"{day}: {place.right:+.2f} pixels right, {place.down:+.2f} down",
        )
        for day, place in known
    )
    return Target(TARGET_SIZE, tuple((scale * k * step, f"{k * step:g}") for k in (1, 2)), dots)


def calendars(series: Sequence[SeriesView]) -> list[Plot]:
    """Calendar of each sensor: one line per tile, one mark per date, all over the same period."""
    by_sensor: dict[str, list[SeriesView]] = defaultdict(list)
    for one in series:
        if one.products:
            by_sensor[one.sensor].append(one)
    every = [product.day.toordinal() for one in series for product in one.products]
    return [_calendar(sensor, members, min(every), max(every)) for sensor, members in by_sensor.items()]


def _calendar(sensor: str, members: Sequence[SeriesView], begin: int, end: int) -> Plot:
    days = sorted({product.day.toordinal() for one in members for product in one.products})
    first, span = begin - 3, end - begin + 6
    closest = min((b - a for a, b in pairwise(days)), default=span)
    thickness = min(max(0.8 * WIDTH * closest / span, MIN_MARK_WIDTH), MAX_MARK_WIDTH)
    each = sum(len(one.products) for one in members) <= MAX_MARKS

    def x_of(day: int) -> float:
        return LEFT + WIDTH * (day - first) / span

    lanes = []
    for number, one in enumerate(members):
        y = TOP + number * PITCH
        marks = [_mark(product, x_of(product.day.toordinal()), y + 2 + MARK_HEIGHT) for product in one.products]
        about = f"{counted(len(one.products), 'date')}, {one.products[0].day} to {one.products[-1].day}"
        lanes.append(
            Lane(one.tile, shortened(one.tile, MAX_NAME_CHARACTERS), y, tuple(marks) if each else _joined(marks), about)
        )
    ticks = [Tick(x_of(day.toordinal()), word) for day, word in _months(first, first + span)]
    height = TOP + len(members) * PITCH + 6
    return Plot(sensor, LEFT + WIDTH + MARGIN, height, tuple(ticks), tuple(lanes), thickness)


def _mark(product: ProductView, x: float, y: float) -> Mark:
    """Mark of a date: a vertical line from ``y`` for the covered part, and one on it for the clear share."""
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


def _joined(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """All marks of a lane merged into one, without tooltips."""
    paths: dict[str, str] = dict.fromkeys(("unknown", "none", "shown"), "")
    for mark in marks:
        for kind, path in mark.paths:
            paths[kind] = paths.get(kind, "") + path
    return (Mark(tuple((kind, path) for kind, path in paths.items() if path)),)


def _months(first: int, last: int) -> list[tuple[date, str]]:
    """First days of months, or of years for long periods, with labels."""
    begin, end = date.fromordinal(first), date.fromordinal(last)
    months = [date(year, month, 1) for year in range(begin.year, end.year + 1) for month in range(1, 13)]
    found = [day for day in months if begin <= day <= end]
    if len(found) > 26:
        return [(day, str(day.year)) for day in found if day.month == 1]
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
            (LEFT + WIDTH * (job.started - first) / span, max(0.7, WIDTH * job.seconds / span), job) for job in members
        )
        about = f"{len(members)} jobs, {busy:.0f} s"
        lanes.append(Lane(worker, shortened(worker, MAX_NAME_CHARACTERS), TOP + number * PITCH, (), about, bars))
    step = next((step for step in _STEPS if span / step <= _MAX_TICKS), _STEPS[-1])
    ticks = [Tick(LEFT + WIDTH * k * step / span, _clock(first + k * step, step)) for k in range(int(span / step) + 1)]
    return Plot(title, LEFT + WIDTH + MARGIN, TOP + len(lanes) * PITCH + 6, tuple(ticks), tuple(lanes))


def _clock(moment: float, step: int) -> str:
    return datetime.fromtimestamp(moment).strftime("%H:%M:%S" if step < 60 else "%H:%M" if step < 43200 else "%d %b")
