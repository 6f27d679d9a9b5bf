"""Where the jobs of a run lie on its picture: a row for each step, a column for each tile.

A job over all tiles is as wide as all columns. So data flow down, mostly in straight lines. Many jobs are folded: one
brick for a step on a tile, or for a step.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from iota2.report.run.values import WORDS, JobView, State, StepView

MAX_JOBS, MAX_CELLS = 300, 4000
"""More jobs are folded by step and tile; more bricks, by step."""
LEFT, TOP, PITCH, HEIGHT, GAP = 236.0, 64.0, 44.0, 25.0, 4.0
"""Pixels: room for names of steps and tiles, from row to row, height of a brick, between bricks."""
MIN_CELL_WIDTH, LETTER_WIDTH = 7.0, 6.3
MIN_WIDTH = 860.0
MAX_UPRIGHT_CHARACTERS = 9
"""Letters of a tile's name for which there is room above its column."""
APART = "\N{EM SPACE}"
"""Between what a brick is and its time."""
RIGHT, BOTTOM = 24.0, 16.0


@dataclass(frozen=True)
class Part:
    """A coloured piece of a brick."""

    state: State
    x: float
    width: float


@dataclass(frozen=True)
class Brick:
    """A job, or several folded into one."""

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
        """Page of the only job; of several, none."""
        return self.jobs[0].page if len(self.jobs) == 1 else ""


@dataclass(frozen=True)
class Row:
    """A step."""

    name: str
    about: str
    y: float
    group: str
    """Name of the group when it begins here."""


@dataclass(frozen=True)
class Column:
    """A tile."""

    name: str
    label: str
    """The name, or its beginning."""
    x: float
    upright: bool
    """Whether there is room for its name only upright."""


@dataclass(frozen=True)
class Graph:
    """The picture."""

    width: float
    height: float
    folded: str
    """What one brick is, when not one job."""
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    bricks: tuple[Brick, ...]
    lines: tuple[tuple[int, int, str], ...]
    """From brick, to brick, path of the line."""


def lay_out(steps: Sequence[StepView], jobs: Sequence[JobView]) -> Graph:
    """The picture of the jobs; steps without a job have no row."""
    present = {job.step for job in jobs}
    steps = [step for step in steps if step.name in present]
    fold, folded = _folding(jobs)
    piles: dict[tuple[str, ...], list[JobView]] = defaultdict(list)
    for job in jobs:
        piles[fold(job)].append(job)
    tiles = list(dict.fromkeys(job.tile for job in jobs if job.tile is not None)) if folded != "a step" else []
    rows = {step.name: TOP + index * PITCH for index, step in enumerate(steps)}
    width = _width([pile[0] for pile in piles.values()], tiles, folded != "")
    bricks = _bricks(list(piles.values()), rows, tiles, width, folded == "a step")
    home = {job.id: brick.number for brick in bricks for job in brick.jobs}
    links = _direct(
        [{home[n] for job in brick.jobs for n in job.needs if n in home} - {brick.number} for brick in bricks]
    )
    starts = {members[0].name: group for group, members in _groups(steps)}
    return Graph(
        width=LEFT + width + RIGHT,
        height=TOP + len(steps) * PITCH + BOTTOM,
        folded=folded,
        rows=tuple(Row(step.name, step.about, rows[step.name], starts.get(step.name, "")) for step in steps),
        columns=tuple(_columns(tiles, width)),
        bricks=tuple(bricks),
        lines=tuple((a, b, _line(bricks[a], bricks[b])) for a, b in links),
    )


def worst(states: Iterable[State]) -> State:
    """The state that asks for most attention."""
    found = set(states)
    return next(state for state in ("failed", "running", "waiting", "blocked", "done", "fresh") if state in found)


def letters(text: str) -> int:
    """Room that a text takes, in Latin letters: those of East Asian scripts are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis when it takes more room than ``most`` letters."""
    if letters(text) <= most:
        return text
    while text and letters(text) > most - 1:
        text = text[:-1]
    return f"{text}…"


def counted(jobs: Iterable[JobView]) -> str:
    """States in words: ``1 failed, 12 done``."""
    counts = Counter(job.state for job in jobs)
    return ", ".join(f"{counts[state]} {words}" for state, words in WORDS.items() if counts[state])


def _folding(jobs: Sequence[JobView]) -> tuple[Callable[[JobView], tuple[str, ...]], str]:
    """What makes one brick of several jobs, and its name."""
    if len(jobs) <= MAX_JOBS:
        return lambda job: (job.id,), ""
    if len({(job.step, job.tile) for job in jobs}) <= MAX_CELLS:
        return lambda job: (job.step, job.tile or ""), "a step on a tile"
    return lambda job: (job.step,), "a step"


def _groups(steps: Iterable[StepView]) -> list[tuple[str, list[StepView]]]:
    return [(name, list(members)) for name, members in groupby(steps, key=lambda step: step.group)]


def _width(firsts: Sequence[JobView], tiles: Sequence[str], folded: bool) -> float:
    """Width of all columns: room for the row with most bricks."""
    crowd = Counter((job.step, job.tile) for job in firsts)
    beside = max((count for (_, tile), count in crowd.items() if tile is not None), default=1)
    across = max((count for (_, tile), count in crowd.items() if tile is None), default=1)
    least = MIN_CELL_WIDTH + GAP if folded else 60.0
    return max(MIN_WIDTH, len(tiles) * beside * least, across * least)


def _columns(tiles: Sequence[str], width: float) -> Iterable[Column]:
    each = width / max(1, len(tiles))
    upright = any(letters(tile) * LETTER_WIDTH > each - GAP for tile in tiles)
    for index, tile in enumerate(tiles):
        yield Column(tile, shortened(tile, MAX_UPRIGHT_CHARACTERS) if upright else tile, LEFT + (index + 0.5) * each, upright)


def _bricks(
    piles: Sequence[list[JobView]], rows: Mapping[str, float], tiles: Sequence[str], width: float, whole: bool
) -> list[Brick]:
    """Bricks in the order of the piles; those of one step and column share its width."""
    each = width / max(1, len(tiles))
    index = {tile: number for number, tile in enumerate(tiles)}
    cells: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for number, pile in enumerate(piles):
        cells[pile[0].step, None if whole else pile[0].tile].append(number)
    made: dict[int, Brick] = {}
    for (step, tile), members in cells.items():
        left, room = (LEFT, width) if tile is None else (LEFT + index[tile] * each, each)
        for place, number in enumerate(members):
            share = room / len(members)
            made[number] = _brick(number, piles[number], left + place * share, rows[step], share - min(GAP, share / 4))
    return [made[number] for number in range(len(piles))]


def _brick(number: int, jobs: Sequence[JobView], x: float, y: float, width: float) -> Brick:
    state = worst(job.state for job in jobs)
    first = jobs[0]
    if len(jobs) == 1:
        place = first.key or "all tiles"
        label = f"{place}{APART}{first.seconds:.1f} s" if first.seconds else place
        told = (f"{first.seconds:.1f} s" if first.seconds else "", f"{first.peak} MiB" if first.peak else "")
        title = f"{first.step}: {first.task}\n{', '.join(filter(None, (WORDS[state], *told)))}"
        title += f"\n{first.message or first.reason}" if first.message or first.reason else ""
    else:
        ended = sum(job.state in ("done", "fresh") for job in jobs)
        label = str(len(jobs)) if ended in (0, len(jobs)) else f"{ended}/{len(jobs)}"
        title = f"{first.step}{f' on {first.tile}' if first.tile else ''}: {len(jobs)} jobs\n{counted(jobs)}"
    return Brick(number, tuple(jobs), x, y, width, _fitted(label, width), title, state, _parts(jobs, x, width))


def _fitted(label: str, width: float) -> str:
    """The label, without its time or shortened when the brick is narrow; nothing when it is narrower still."""
    most = int((width - 8) / LETTER_WIDTH)
    if letters(label) > most:
        label = label.split(APART, maxsplit=1)[0]
    return shortened(label, most) if letters(label) <= most or most > 4 else ""


def _parts(jobs: Sequence[JobView], x: float, width: float) -> tuple[Part, ...]:
    """Pieces in proportion to states; all red when one failed, so that it is seen."""
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
    """The links that no chain of others implies. Bricks come after those that they need."""
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


def _line(source: Brick, target: Brick) -> str:
    """A straight line where the bricks lie above each other, else a curve."""
    low, high = max(source.x, target.x), min(source.x + source.width, target.x + target.width)
    y1, y2 = source.y + HEIGHT, target.y
    if low < high:
        narrow = min((source, target), key=lambda brick: brick.width)
        x = min(max(narrow.x + narrow.width / 2, low), high)
        return f"M{x:.1f} {y1:.1f}V{y2:.1f}"
    x1, x2 = source.x + source.width / 2, target.x + target.width / 2
    bend = (y2 - y1) / 2 if y2 - y1 < PITCH else PITCH / 2
    return f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
