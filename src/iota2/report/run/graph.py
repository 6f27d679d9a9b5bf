"""Layout of the job graph: one row per step, one column per tile.

A job over all tiles is as wide as all columns, so that most connections are straight lines downwards. Large numbers of
jobs are grouped: one cell contains the jobs of one step on one tile, or of one step.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from iota2.report.run.values import STATE_TEXTS, JobView, State, StepView

MAX_JOB_CELLS, MAX_TILE_CELLS = 300, 4000
"""Maximum number of cells with one job each, and with the jobs of one step on one tile each; more are grouped."""
STEP_NAMES_WIDTH, TILE_NAMES_HEIGHT, ROW_DISTANCE, CELL_HEIGHT, CELL_GAP = 236.0, 64.0, 44.0, 25.0, 4.0
"""Pixels."""
MIN_CELL_WIDTH, LETTER_WIDTH = 7.0, 6.3
MIN_LABELLED_CELL_WIDTH = 60.0
"""Minimum distance of cells with one job each, in pixels."""
MIN_WIDTH = 860.0
"""Minimum width of all columns, in pixels."""
MAX_UPRIGHT_CHARACTERS = 9
"""Maximum characters of a vertical tile name above its column."""
STEP_ON_TILE, WHOLE_STEP = "one step on one tile", "one step"
"""The jobs of one cell if jobs are grouped."""
LABEL_SEPARATOR = "\N{EM SPACE}"
"""Separator between the name and the time of a cell."""
RIGHT_MARGIN, BOTTOM_MARGIN = 24.0, 16.0


@dataclass(frozen=True)
class Part:
    """Part of a cell in the colour of a state."""

    state: State
    x: float
    width: float


@dataclass(frozen=True)
class Cell:
    """Cell of the graph: a job, or several grouped jobs."""

    number: int
    jobs: tuple[JobView, ...]
    x: float
    y: float
    width: float
    label: str
    title: str
    state: State
    parts: tuple[Part, ...]

    @property
    def page(self) -> str:
        """Address of the page of the job; empty for a group of several jobs."""
        return self.jobs[0].page if len(self.jobs) == 1 else ""


@dataclass(frozen=True)
class Row:
    """Row of the graph: a step."""

    name: str
    about: str
    y: float
    group: str
    """Name of the group if it begins at this row."""


@dataclass(frozen=True)
class Column:
    """Column of the graph: a tile."""

    name: str
    label: str
    """The name, shortened if necessary."""
    x: float
    upright: bool
    """Whether the name must be written vertically."""


@dataclass(frozen=True)
class Graph:
    """The job graph as rectangles, texts and lines."""

    width: float
    height: float
    cell_unit: str
    """The jobs that one cell contains, as text; empty if a cell contains one job."""
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]
    lines: tuple[tuple[int, int, str], ...]
    """Connections: first cell, second cell, SVG path of the line."""


def lay_out(steps: Sequence[StepView], jobs: Sequence[JobView]) -> Graph:
    """Layout of the graph of the jobs; steps without a job have no row."""
    present = {job.step for job in jobs}
    steps = [step for step in steps if step.name in present]
    group_key, cell_unit = _grouping(jobs)
    by_key: dict[tuple[str, ...], list[JobView]] = defaultdict(list)
    for job in jobs:
        by_key[group_key(job)].append(job)
    groups = list(by_key.values())
    tiles = list(dict.fromkeys(job.tile for job in jobs if job.tile is not None)) if cell_unit != WHOLE_STEP else []
    rows = {step.name: TILE_NAMES_HEIGHT + index * ROW_DISTANCE for index, step in enumerate(steps)}
    width = _width([group[0] for group in groups], tiles, cell_unit != "")
    cells = _cells(groups, rows, tiles, width, cell_unit == WHOLE_STEP)
    cell_of = {job.id: cell.number for cell in cells for job in cell.jobs}
    links = _direct_links(
        [{cell_of[n] for job in cell.jobs for n in job.needs if n in cell_of} - {cell.number} for cell in cells]
    )
    group_starts = {members[0].name: group for group, members in _groups(steps)}
    return Graph(
        width=STEP_NAMES_WIDTH + width + RIGHT_MARGIN,
        height=TILE_NAMES_HEIGHT + len(steps) * ROW_DISTANCE + BOTTOM_MARGIN,
        cell_unit=cell_unit,
        rows=tuple(Row(step.name, step.about, rows[step.name], group_starts.get(step.name, "")) for step in steps),
        columns=tuple(_columns(tiles, width)),
        cells=tuple(cells),
        lines=tuple((a, b, _line(cells[a], cells[b])) for a, b in links),
    )


def worst(states: Iterable[State]) -> State:
    """The state that needs most attention."""
    found = set(states)
    return next(state for state in ("failed", "running", "waiting", "blocked", "done", "fresh") if state in found)


def width_in_letters(text: str) -> int:
    """Width of a text in Latin letters; wide East Asian characters count twice."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis if it is wider than ``most`` letters."""
    if width_in_letters(text) <= most:
        return text
    while text and width_in_letters(text) > most - 1:
        text = text[:-1]
    return f"{text}…"


def state_counts(jobs: Iterable[JobView]) -> str:
    """Number of jobs by state as text: ``1 failed, 12 done``."""
    counts = Counter(job.state for job in jobs)
    return ", ".join(f"{counts[state]} {words}" for state, words in STATE_TEXTS.items() if counts[state])


def _grouping(jobs: Sequence[JobView]) -> tuple[Callable[[JobView], tuple[str, ...]], str]:
    """Function that returns the cell key of a job, and ``Graph.cell_unit``."""
    if len(jobs) <= MAX_JOB_CELLS:
        return lambda job: (job.id,), ""
    if len({(job.step, job.tile) for job in jobs}) <= MAX_TILE_CELLS:
        return lambda job: (job.step, job.tile or ""), STEP_ON_TILE
    return lambda job: (job.step,), WHOLE_STEP


def _groups(steps: Iterable[StepView]) -> list[tuple[str, list[StepView]]]:
    """Groups of consecutive steps, with their names."""
    return [(name, list(members)) for name, members in groupby(steps, key=lambda step: step.group)]


def _width(first_jobs: Sequence[JobView], tiles: Sequence[str], grouped: bool) -> float:
    """Width of all columns, so that the row with most cells fits. ``first_jobs``: the first job of each cell."""
    cells = Counter((job.step, job.tile) for job in first_jobs)
    cells_per_tile = max((count for (_, tile), count in cells.items() if tile is not None), default=1)
    cells_over_tiles = max((count for (_, tile), count in cells.items() if tile is None), default=1)
    min_width = MIN_CELL_WIDTH + CELL_GAP if grouped else MIN_LABELLED_CELL_WIDTH
    return max(MIN_WIDTH, len(tiles) * cells_per_tile * min_width, cells_over_tiles * min_width)


def _columns(tiles: Sequence[str], width: float) -> Iterable[Column]:
    each = width / max(1, len(tiles))
    upright = any(width_in_letters(tile) * LETTER_WIDTH > each - CELL_GAP for tile in tiles)
    for index, tile in enumerate(tiles):
        label = shortened(tile, MAX_UPRIGHT_CHARACTERS) if upright else tile
        yield Column(tile, label, STEP_NAMES_WIDTH + (index + 0.5) * each, upright)


def _cells(
    groups: Sequence[list[JobView]], rows: Mapping[str, float], tiles: Sequence[str], width: float, whole_steps: bool
) -> list[Cell]:
    """One cell for each group of jobs, in the same order; cells of one step and column share the width of the column.

    ``whole_steps``: whether a cell contains the jobs of all tiles.
    """
    each = width / max(1, len(tiles))
    index = {tile: number for number, tile in enumerate(tiles)}
    by_column: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for number, group in enumerate(groups):
        by_column[group[0].step, None if whole_steps else group[0].tile].append(number)
    made: dict[int, Cell] = {}
    for (step, tile), members in by_column.items():
        left, room = (STEP_NAMES_WIDTH, width) if tile is None else (STEP_NAMES_WIDTH + index[tile] * each, each)
        for place, number in enumerate(members):
            share = room / len(members)
            made[number] = _cell(
                number, groups[number], left + place * share, rows[step], share - min(CELL_GAP, share / 4)
            )
    return [made[number] for number in range(len(groups))]


def _cell(number: int, jobs: Sequence[JobView], x: float, y: float, width: float) -> Cell:
    """Cell of one job, or of a group of jobs, with its label and tooltip."""
    state = worst(job.state for job in jobs)
    first = jobs[0]
    if len(jobs) == 1:
        place = first.key or "all tiles"
        label = f"{place}{LABEL_SEPARATOR}{first.seconds:.1f} s" if first.seconds else place
        details = (f"{first.seconds:.1f} s" if first.seconds else "", f"{first.peak} MiB" if first.peak else "")
        title = f"{first.step}: {first.task}\n{', '.join(filter(None, (STATE_TEXTS[state], *details)))}"
        title += f"\n{first.message or first.reason}" if first.message or first.reason else ""
    else:
        ended = sum(job.state in ("done", "fresh") for job in jobs)
        label = str(len(jobs)) if ended in (0, len(jobs)) else f"{ended}/{len(jobs)}"
        title = f"{first.step}{f' on {first.tile}' if first.tile else ''}: {len(jobs)} jobs\n{state_counts(jobs)}"
    return Cell(number, tuple(jobs), x, y, width, _fitted(label, width), title, state, _parts(jobs, x, width))


def _fitted(label: str, width: float) -> str:
    """The label, without its time or shortened in a narrow cell; empty if no text fits."""
    most = int((width - 8) / LETTER_WIDTH)
    if width_in_letters(label) > most:
        label = label.split(LABEL_SEPARATOR, maxsplit=1)[0]
    return shortened(label, most) if width_in_letters(label) <= most or most > 4 else ""


def _parts(jobs: Sequence[JobView], x: float, width: float) -> tuple[Part, ...]:
    """Parts of a cell in proportion to the states of its jobs; a single red part if a job failed."""
    counts = Counter(job.state for job in jobs)
    if counts["failed"]:
        return (Part("failed", x, width),)
    parts = []
    for state in STATE_TEXTS:
        if counts[state]:
            share = width * counts[state] / len(jobs)
            parts.append(Part(state, x, share))
            x += share
    return tuple(parts)


def _direct_links(needs: Sequence[set[int]]) -> list[tuple[int, int]]:
    """Connections (needed cell, cell) without those implied by others.

    ``needs``: the cells that each cell needs; these precede it.
    """
    above: list[int] = []
    links: list[tuple[int, int]] = []
    for number, sources in enumerate(needs):
        seen = 0
        for source in sorted(sources, reverse=True):
            if not seen >> source & 1:
                links.append((source, number))
                seen |= above[source] if source < len(above) else 0
                seen |= 1 << source
        above.append(seen)
    return links


def _line(source: Cell, target: Cell) -> str:
    """SVG path between two cells: a straight line if they have a common column, otherwise a curve."""
    low, high = max(source.x, target.x), min(source.x + source.width, target.x + target.width)
    y1, y2 = source.y + CELL_HEIGHT, target.y
    if low < high:
        narrow = min((source, target), key=lambda cell: cell.width)
        x = min(max(narrow.x + narrow.width / 2, low), high)
        return f"M{x:.1f} {y1:.1f}V{y2:.1f}"
    x1, x2 = source.x + source.width / 2, target.x + target.width / 2
    bend = (y2 - y1) / 2 if y2 - y1 < ROW_DISTANCE else ROW_DISTANCE / 2
    return f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
