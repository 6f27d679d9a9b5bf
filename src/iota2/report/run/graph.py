"""Layout of the job graph: one row per step, one column per tile.

A job over all tiles is as wide as all columns, so data flow downwards, mostly in straight lines. Large numbers of jobs
are grouped: one cell for a step on a tile, or for a whole step.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from iota2.report.run.values import WORDS, JobView, State, StepView

MAX_JOBS, MAX_CELLS = 300, 4000
"""More jobs are grouped by step and tile; more cells are grouped by step."""
LEFT, TOP, PITCH, HEIGHT, GAP = 236.0, 64.0, 44.0, 25.0, 4.0
"""Pixels: space for names of steps, space for names of tiles, distance of rows, height of a cell, gap between cells."""
MIN_CELL_WIDTH, LETTER_WIDTH = 7.0, 6.3
MIN_WIDTH = 860.0
MAX_UPRIGHT_CHARACTERS = 9
"""Characters of a tile's name that fit above its column."""
LABEL_SEPARATOR = "\N{EM SPACE}"
"""Separator between the name and the time of a cell."""
RIGHT, BOTTOM = 24.0, 16.0


@dataclass(frozen=True)
class Part:
    """Coloured part of a cell."""

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
        """Page of the job; None for a group of several jobs."""
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
    folded: str
    """Meaning of a cell if it is not a single job."""
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]
    lines: tuple[tuple[int, int, str], ...]
    """Connections: first cell, second cell, SVG path of the line."""


def lay_out(steps: Sequence[StepView], jobs: Sequence[JobView]) -> Graph:
    """Graph of the jobs; steps without a job have no row."""
    present = {job.step for job in jobs}
    steps = [step for step in steps if step.name in present]
    fold, folded = _grouping(jobs)
    piles: dict[tuple[str, ...], list[JobView]] = defaultdict(list)
    for job in jobs:
        piles[fold(job)].append(job)
    tiles = list(dict.fromkeys(job.tile for job in jobs if job.tile is not None)) if folded != "a step" else []
    rows = {step.name: TOP + index * PITCH for index, step in enumerate(steps)}
    width = _width([pile[0] for pile in piles.values()], tiles, folded != "")
    cells = _cells(list(piles.values()), rows, tiles, width, folded == "a step")
    home = {job.id: cell.number for cell in cells for job in cell.jobs}
    links = _direct([{home[n] for job in cell.jobs for n in job.needs if n in home} - {cell.number} for cell in cells])
    starts = {members[0].name: group for group, members in _groups(steps)}
    return Graph(
        width=LEFT + width + RIGHT,
        height=TOP + len(steps) * PITCH + BOTTOM,
        folded=folded,
        rows=tuple(Row(step.name, step.about, rows[step.name], starts.get(step.name, "")) for step in steps),
        columns=tuple(_columns(tiles, width)),
        cells=tuple(cells),
        lines=tuple((a, b, _line(cells[a], cells[b])) for a, b in links),
    )


def worst(states: Iterable[State]) -> State:
    """The state that needs most attention."""
    found = set(states)
    return next(state for state in ("failed", "running", "waiting", "blocked", "done", "fresh") if state in found)


def letters(text: str) -> int:
    """Width of a text in Latin letters; East Asian characters count twice."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis if it is wider than ``most`` letters."""
    if letters(text) <= most:
        return text
    while text and letters(text) > most - 1:
        text = text[:-1]
    return f"{text}…"


def counted(jobs: Iterable[JobView]) -> str:
    """Number of jobs by state as text: ``1 failed, 12 done``."""
    counts = Counter(job.state for job in jobs)
    return ", ".join(f"{counts[state]} {words}" for state, words in WORDS.items() if counts[state])


def _grouping(jobs: Sequence[JobView]) -> tuple[Callable[[JobView], tuple[str, ...]], str]:
    """Key by which jobs are grouped into cells, and the name of the groups."""
    if len(jobs) <= MAX_JOBS:
        return lambda job: (job.id,), ""
    if len({(job.step, job.tile) for job in jobs}) <= MAX_CELLS:
        return lambda job: (job.step, job.tile or ""), "a step on a tile"
    return lambda job: (job.step,), "a step"


def _groups(steps: Iterable[StepView]) -> list[tuple[str, list[StepView]]]:
    return [(name, list(members)) for name, members in groupby(steps, key=lambda step: step.group)]


def _width(firsts: Sequence[JobView], tiles: Sequence[str], folded: bool) -> float:
    """Width of all columns, so that the row with most cells fits."""
    crowd = Counter((job.step, job.tile) for job in firsts)
    side_by_side = max((count for (_, tile), count in crowd.items() if tile is not None), default=1)
    across = max((count for (_, tile), count in crowd.items() if tile is None), default=1)
    least = MIN_CELL_WIDTH + GAP if folded else 60.0
    return max(MIN_WIDTH, len(tiles) * side_by_side * least, across * least)


def _columns(tiles: Sequence[str], width: float) -> Iterable[Column]:
    each = width / max(1, len(tiles))
    upright = any(letters(tile) * LETTER_WIDTH > each - GAP for tile in tiles)
    for index, tile in enumerate(tiles):
        label = shortened(tile, MAX_UPRIGHT_CHARACTERS) if upright else tile
        yield Column(tile, label, LEFT + (index + 0.5) * each, upright)


def _cells(
    piles: Sequence[list[JobView]], rows: Mapping[str, float], tiles: Sequence[str], width: float, whole: bool
) -> list[Cell]:
    """Cells in the order of the groups; cells of one step and column share its width."""
    each = width / max(1, len(tiles))
    index = {tile: number for number, tile in enumerate(tiles)}
    by_column: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for number, pile in enumerate(piles):
        by_column[pile[0].step, None if whole else pile[0].tile].append(number)
    made: dict[int, Cell] = {}
    for (step, tile), members in by_column.items():
        left, room = (LEFT, width) if tile is None else (LEFT + index[tile] * each, each)
        for place, number in enumerate(members):
            share = room / len(members)
            made[number] = _cell(number, piles[number], left + place * share, rows[step], share - min(GAP, share / 4))
    return [made[number] for number in range(len(piles))]


def _cell(number: int, jobs: Sequence[JobView], x: float, y: float, width: float) -> Cell:
    state = worst(job.state for job in jobs)
    first = jobs[0]
    if len(jobs) == 1:
        place = first.key or "all tiles"
        label = f"{place}{LABEL_SEPARATOR}{first.seconds:.1f} s" if first.seconds else place
        details = (f"{first.seconds:.1f} s" if first.seconds else "", f"{first.peak} MiB" if first.peak else "")
        title = f"{first.step}: {first.task}\n{', '.join(filter(None, (WORDS[state], *details)))}"
        title += f"\n{first.message or first.reason}" if first.message or first.reason else ""
    else:
        ended = sum(job.state in ("done", "fresh") for job in jobs)
        label = str(len(jobs)) if ended in (0, len(jobs)) else f"{ended}/{len(jobs)}"
        title = f"{first.step}{f' on {first.tile}' if first.tile else ''}: {len(jobs)} jobs\n{counted(jobs)}"
    return Cell(number, tuple(jobs), x, y, width, _fitted(label, width), title, state, _parts(jobs, x, width))


def _fitted(label: str, width: float) -> str:
    """The label, without its time or shortened if the cell is narrow; empty if the cell is too narrow for any text."""
    most = int((width - 8) / LETTER_WIDTH)
    if letters(label) > most:
        label = label.split(LABEL_SEPARATOR, maxsplit=1)[0]
    return shortened(label, most) if letters(label) <= most or most > 4 else ""


def _parts(jobs: Sequence[JobView], x: float, width: float) -> tuple[Part, ...]:
    """Parts of a cell in proportion to the states; the whole cell is red if a job failed."""
    counts = Counter(job.state for job in jobs)
    if counts["failed"]:
        return (Part("failed", x, width),)
    parts = []
    for state in WORDS:
        if counts[state]:
            share = width * counts[state] / len(jobs)
            parts.append(Part(state, x, share))
            x += share
    return tuple(parts)


def _direct(needs: Sequence[set[int]]) -> list[tuple[int, int]]:
    """The needed cells of each cell, without those implied by other connections; cells come after those they need."""
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
    """A straight line between cells in one column, else a curve."""
    low, high = max(source.x, target.x), min(source.x + source.width, target.x + target.width)
    y1, y2 = source.y + HEIGHT, target.y
    if low < high:
        narrow = min((source, target), key=lambda cell: cell.width)
        x = min(max(narrow.x + narrow.width / 2, low), high)
        return f"M{x:.1f} {y1:.1f}V{y2:.1f}"
    x1, x2 = source.x + source.width / 2, target.x + target.width / 2
    bend = (y2 - y1) / 2 if y2 - y1 < PITCH else PITCH / 2
    return f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
