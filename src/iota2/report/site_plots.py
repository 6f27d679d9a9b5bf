"""Where marks lie on the two plots over time: the calendar of products, and what the workers did when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from iota2.report.site_values import JobView, SeriesView

LEFT, WIDTH, PITCH, TOP = 170.0, 900.0, 22.0, 26.0
MARGIN = 64.0
"""Room for the last word."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800)
_MOST_TICKS = 10
MOST_BARS = 20_000
"""Of more jobs, the plot has the last ones."""


@dataclass(frozen=True)
class Tick:
    """A vertical line with a word."""

    x: float
    label: str


@dataclass(frozen=True)
class Lane:
    """A line of the plot: its name, its marks as one path, or its bars."""

    name: str
    y: float
    path: str = ""
    about: str = ""
    bars: tuple[tuple[float, float, JobView], ...] = ()


@dataclass(frozen=True)
class Plot:
    """A plot over time."""

    title: str
    width: float
    height: float
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]


def calendars(series: Sequence[SeriesView]) -> list[Plot]:
    """For each sensor a line for each tile with a mark for each date, over the days that any tile has."""
    by_sensor: dict[str, list[SeriesView]] = defaultdict(list)
    for one in series:
        if one.products:
            by_sensor[one.sensor].append(one)
    return [_calendar(sensor, members) for sensor, members in by_sensor.items()]


def _calendar(sensor: str, members: Sequence[SeriesView]) -> Plot:
    days = [product.day.toordinal() for one in members for product in one.products]
    first, span = min(days) - 3, max(days) - min(days) + 6

    def x_of(day: int) -> float:
        return LEFT + WIDTH * (day - first) / span

    lanes = []
    for number, one in enumerate(members):
        y = TOP + number * PITCH
        path = "".join(f"M{x_of(product.day.toordinal()):.1f} {y + 3:.0f}v14" for product in one.products)
        about = f"{len(one.products)} dates, {one.products[0].day} to {one.products[-1].day}"
        lanes.append(Lane(one.tile, y, path, about))
    ticks = [Tick(x_of(day.toordinal()), word) for day, word in _months(first, first + span)]
    return Plot(sensor, LEFT + WIDTH + MARGIN, TOP + len(members) * PITCH + 6, tuple(ticks), tuple(lanes))


def _months(first: int, last: int) -> list[tuple[date, str]]:
    """First days of months, or of years when there are many, with their names."""
    begin, end = date.fromordinal(first), date.fromordinal(last)
    months = [date(year, month, 1) for year in range(begin.year, end.year + 1) for month in range(1, 13)]
    found = [day for day in months if begin <= day <= end]
    if len(found) > 26:
        return [(day, str(day.year)) for day in found if day.month == 1]
    return [(day, day.strftime("%b %Y") if day.month == 1 or day == found[0] else day.strftime("%b")) for day in found]


def timeline(jobs: Sequence[JobView], title: str = "Workers") -> Plot | None:
    """A line for each worker with a bar for each job that ran in this run; None when none did."""
    ran = sorted((job for job in jobs if job.started and job.worker), key=lambda job: job.started)[-MOST_BARS:]
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
        lanes.append(Lane(worker, TOP + number * PITCH, "", f"{len(members)} jobs, {busy:.0f} s", bars))
    step = next((step for step in _STEPS if span / step <= _MOST_TICKS), _STEPS[-1])
    ticks = [Tick(LEFT + WIDTH * k * step / span, _clock(first + k * step, step)) for k in range(int(span / step) + 1)]
    return Plot(title, LEFT + WIDTH + MARGIN, TOP + len(lanes) * PITCH + 6, tuple(ticks), tuple(lanes))


def _clock(moment: float, step: int) -> str:
    return datetime.fromtimestamp(moment).strftime("%H:%M:%S" if step < 60 else "%H:%M" if step < 43200 else "%d %b")
