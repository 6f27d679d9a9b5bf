"""Split of polygons into learning and validation, and selection of samples in learning polygons."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from iota2.compute.groups import Label, learners_wanted, split_groups
from iota2.core.labels import normalised, whole_number
from iota2.core.random import generator
from iota2.core.tables import LEARN, UNUSED, VALIDATION
from iota2.core.words import nearest
from iota2.errors import InputError

BOTH = "both"
"""Side of a polygon used for learning and for validation (``split_ground_truth: False``)."""

Strategy = Literal["all", "percent", "constant", "smallest", "total", "byclass"]

# -------------------------------------------------------------------------------- split of polygons


def split_polygons(
    labels: Sequence[Label],
    regions: Sequence[str | None],
    *,
    ratio: float,
    runs: int,
    random_seed: int,
    split_ground_truth: bool = True,
    together: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The side of every polygon, for each of ``runs`` seeds: LEARN, VALIDATION, BOTH or UNUSED.

    ``labels`` and ``regions`` (home region, None outside all regions: UNUSED) are in order of originfid.
    Drawn once per (region, label, seed) on whole polygons, so no ground is on both sides. Of n polygons
    round(n x ratio) learn (half to even), at least 1 and, from two on, at most n - 1; a single one learns
    (``unvalidated`` lists them). Polygons of one number in ``together`` are on one side (``split_groups``).
    """
    groups = strata_of(labels, regions)
    sides = []
    for k in range(runs):
        if split_ground_truth and together is not None:
            sides.append(split_groups(groups, together, ratio, random_seed + k))
            continue
        side = np.full(len(labels), UNUSED, dtype="<U10")
        for (region, label), members in groups.items():
            if not split_ground_truth:
                side[members] = BOTH
                continue
            learners = _draw(len(members), ratio, generator(random_seed + k, "split", region, label))
            side[members] = VALIDATION
            side[members[learners]] = LEARN
        sides.append(side)
    return sides


def unvalidated(labels: Sequence[Label], regions: Sequence[str | None]) -> list[tuple[str, Label]]:
    """(region, label) with one polygon only, in order of these: learned, and validated by nothing."""
    return [key for key, members in strata_of(labels, regions).items() if len(members) == 1]


def strata_of(labels: Sequence[Label], regions: Sequence[str | None]) -> dict[tuple[str, Label], np.ndarray]:
    """Positions of the polygons of each (region, label); those outside all regions are in no group."""
    members: dict[tuple[str, Label], list[int]] = defaultdict(list)
    for k, (region, label) in enumerate(zip(regions, labels, strict=True)):
        if region is not None:
            members[region, label].append(k)
    return {key: np.array(positions) for key, positions in members.items()}


def _draw(count: int, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Positions, among ``count`` polygons, of those that learn."""
    return rng.choice(count, size=learners_wanted(count, ratio), replace=False)


# ------------------------------------------------------------------------------ selection of pixels


@dataclass(frozen=True)
class SelectionOptions:
    """How pixels are selected inside the learning polygons of one model."""

    sampler: Literal["random", "periodic"] = "random"
    jitter: int = 0
    """Periodic sampler: how many pixels a sample may move from its regular position."""
    strategy: Strategy = "all"
    amount: float = 0.0
    """Share (percent) or number of pixels (constant, total) of the strategy."""
    counts_file: str = ""
    """``byclass``: path of the CSV file with a count for each label."""


def parse_class_counts(text: str, source: str) -> dict[str, int]:
    """Number of pixels by label (as text) from lines ``label,count``; blank lines are ignored.

    Raises InputError with every line of another form, and every label that is given twice.
    """
    counts: dict[str, int] = {}
    problems = []
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        cells = [normalised(cell) for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2 or not cells[1].isdecimal():
            problems.append(f"line {number}: {','.join(row)!r} is not 'label,count' with a count of 0 or more")
        elif cells[0] in counts:
            problems.append(f"line {number}: label {cells[0]!r} a second time")
        else:
            counts[cells[0]] = int(cells[1])
    if problems:
        raise InputError("\n".join([f"{source}: cannot be used as counts by class", *problems]))
    return counts


def counts_of_labels(counts: Mapping[str, int], labels: Collection[Label], source: str) -> dict[str, int]:
    """The ``counts`` (of ``parse_class_counts``) under the text of the label they are of: ``011`` is ``11`` of numbers.

    Raises InputError when two of them are of one label.
    """
    if any(isinstance(label, str) for label in labels):
        return dict(counts)
    found: dict[str, int] = {}
    written: dict[str, str] = {}
    for name, count in counts.items():
        number = whole_number(name)
        label = name if number is None else str(number)
        if label in found:
            raise InputError(f"{source}: labels {written[label]!r} and {name!r} are the same number. Keep one of them")
        found[label], written[label] = count, name
    return found


def labels_without_count(counts: Mapping[str, int], labels: Collection[Label], source: str) -> list[str]:
    """The ``labels`` that ``counts`` (of ``parse_class_counts``) does not name, as text, in their order.

    Raises InputError naming every count of a label that is none of ``labels``.
    """
    known = [str(label) for label in labels]
    problems = []
    for name in counts:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"the labels are {', '.join(known)}"
            problems.append(f"label {name!r} is no class of the reference data; {hint}")
    if problems:
        raise InputError("\n".join([f"{source}: cannot be used as counts by class", *problems]))
    return [name for name in known if name not in counts]


def class_targets(
    options: SelectionOptions, counts: Mapping[Label, int], requested: Mapping[str, int] | None = None
) -> dict[Label, int]:
    """How many pixels of each label to select; never more than the ``counts`` available.

    ``requested`` is what ``parse_class_counts`` read, for ``byclass``; labels it does not name get 0.
    ``percent`` keeps at least one pixel of a label that has any. ``smallest`` looks at labels that have
    pixels. ``total`` is proportional and sums exactly to min(total, available): by largest remainder
    (Hamilton), the first label on a tie.
    """
    amount = options.amount
    match options.strategy:
        case "all":
            return dict(counts)
        case "percent":
            return {c: min(n, max(1, round(amount * n))) for c, n in counts.items()}
        case "constant":
            return {c: min(n, int(amount)) for c, n in counts.items()}
        case "smallest":
            least = min((n for n in counts.values() if n > 0), default=0)
            return {c: min(n, least) for c, n in counts.items()}
        case "total":
            return _apportioned(int(amount), counts)
        case "byclass":
            return {c: min(n, (requested or {}).get(str(c), 0)) for c, n in counts.items()}


def _apportioned(total: int, counts: Mapping[Label, int]) -> dict[Label, int]:
    """``total`` split in proportion to ``counts``, in whole numbers that sum to min(total, all).

    Integer arithmetic; no share exceeds its count, because a quota total x n / all is at most n.
    """
    everything = sum(counts.values())
    if total >= everything:
        return dict(counts)
    shares = {c: total * n // everything for c, n in counts.items()}
    remainder = {c: total * n % everything for c, n in counts.items()}
    for c in sorted(counts, key=lambda c: -remainder[c])[: total - sum(shares.values())]:
        shares[c] += 1
    return shares


def choose(options: SelectionOptions, available: int, target: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted positions (int64) of ``target`` of ``available`` pixels in scan order, each at most once.

    All of them when the target is not below what is available. The periodic sampler takes one pixel from each
    of ``target`` equal stretches: the first, or with jitter one drawn from it at most ``jitter`` pixels
    further.
    """
    if target >= available:
        return np.arange(available, dtype=np.int64)
    if options.sampler == "random":
        return np.sort(rng.choice(available, size=target, replace=False)).astype(np.int64)
    edges = np.arange(target + 1, dtype=np.int64) * available // max(target, 1)
    room = np.minimum(np.diff(edges) - 1, options.jitter)
    return edges[:-1] + rng.integers(0, room, endpoint=True, dtype=np.int64)
