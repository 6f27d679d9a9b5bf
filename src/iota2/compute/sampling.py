"""Split of polygons into learning and validation polygons, and selection of samples in learning polygons."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from iota2.compute.groups import Label, learners_wanted, reserved_polygons, split_groups
from iota2.core.labels import normalised, whole_number
from iota2.core.random import generator
from iota2.core.tables import FUSION, LEARN, UNUSED, VALIDATION
from iota2.core.words import nearest
from iota2.errors import InputError

BOTH = "both"
"""Side of a polygon used for learning and for validation (``split_ground_truth: False``)."""

MAX_COUNT = 2**31 - 1
"""Maximum number of pixels of a class that may be requested."""
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
    reserved_share: float | None = None,
) -> list[np.ndarray]:
    """The side of each polygon, for each of ``runs`` seeds: LEARN, VALIDATION, BOTH, FUSION or UNUSED.

    ``labels`` and ``regions`` are in order of originfid; a region is None, and the side UNUSED, outside all regions.
    The split is drawn per region, label and seed. Polygons are not divided, so no area is on both sides. Of n polygons,
    round(n x ratio) learn (half to even), at least 1 and at most n - 1; a single polygon learns (see
    ``unvalidated``). Polygons with the same number in ``together`` have the same side (``split_groups``).

    With ``reserved_share``, this share of the polygons of each region and label is on the side FUSION for all seeds
    (``reserved_polygons``), and the others are split.
    """
    reserved = np.zeros(len(labels), bool)
    if reserved_share is not None:
        groups = np.arange(len(labels)) if together is None else together
        reserved = reserved_polygons(polygons_by_stratum(labels, regions), groups, reserved_share, random_seed)
    split = [None if aside else region for region, aside in zip(regions, reserved, strict=True)]
    strata = polygons_by_stratum(labels, split)
    sides = []
    for k in range(runs):
        if split_ground_truth and together is not None:
            sides.append(np.where(reserved, FUSION, split_groups(strata, together, ratio, random_seed + k)))
            continue
        side = np.full(len(labels), UNUSED, dtype="<U10")
        for (region, label), members in strata.items():
            if not split_ground_truth:
                side[members] = BOTH
                continue
            learners = _draw(len(members), ratio, generator(random_seed + k, "split", region, label))
            side[members] = VALIDATION
            side[members[learners]] = LEARN
        sides.append(np.where(reserved, FUSION, side))
    return sides


def unvalidated(labels: Sequence[Label], regions: Sequence[str | None]) -> list[tuple[str, Label]]:
    """Each (region, label) with a single polygon, which learns, so that none validates; in order of the polygons."""
    return [key for key, members in polygons_by_stratum(labels, regions).items() if len(members) == 1]


def polygons_by_stratum(labels: Sequence[Label], regions: Sequence[str | None]) -> dict[tuple[str, Label], np.ndarray]:
    """Positions of the polygons of each (region, label), without polygons outside all regions."""
    members: dict[tuple[str, Label], list[int]] = defaultdict(list)
    for k, (region, label) in enumerate(zip(regions, labels, strict=True)):
        if region is not None:
            members[region, label].append(k)
    return {key: np.array(positions) for key, positions in members.items()}


def _draw(count: int, ratio: float, rng: np.random.Generator) -> np.ndarray:
    """Positions of the learning polygons among ``count`` polygons."""
    return rng.choice(count, size=learners_wanted(count, ratio), replace=False)


# ------------------------------------------------------------------------------ selection of pixels


@dataclass(frozen=True)
class SelectionOptions:
    """Options for the selection of pixels in the learning polygons of one model."""

    sampler: Literal["random", "periodic"] = "random"
    jitter: int = 0
    """Periodic sampler: maximum displacement of a sample from its regular position, in pixels."""
    strategy: Strategy = "all"
    amount: float = 0.0
    """Share of pixels (strategy ``percent``) or number of pixels (``constant``, ``total``)."""
    counts_file: str = ""
    """Strategy ``byclass``: path of the CSV file with a count for each label."""


def parse_class_counts(text: str, source: str) -> dict[str, int]:
    """Number of pixels by label (as text) from lines ``label,count``; blank lines are ignored.

    Raises InputError with all malformed lines and all repeated labels.
    """
    counts: dict[str, int] = {}
    problems: list[str] = []
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        cells = [normalised(cell) for cell in row]
        if not any(cells):
            continue
        if len(cells) != 2 or not cells[1].isdecimal() or int(cells[1]) > MAX_COUNT:
            expected = f"'label,count' with a count from 0 to {MAX_COUNT}"
            header = (
                not counts and not problems and len(cells) == 2 and all(whole_number(cell) is None for cell in cells)
            )
            remedy = "; a header is not expected: if it is one, remove the line" if header else ""
            problems.append(f"line {number}: {','.join(row)!r} is not {expected}{remedy}")
        elif cells[0] in counts:
            problems.append(f"line {number}: label {cells[0]!r} is repeated")
        else:
            counts[cells[0]] = int(cells[1])
    if problems:
        raise InputError("\n".join([f"{source}: cannot be used as counts by class", *problems]))
    return counts


def counts_of_labels(counts: Mapping[str, int], labels: Collection[Label], source: str) -> dict[str, int]:
    """The ``counts`` of ``parse_class_counts`` by the text of the label; for integer labels, ``011`` becomes ``11``.

    Raises InputError if two counts have the same label.
    """
    if any(isinstance(label, str) for label in labels):
        return dict(counts)
    found: dict[str, int] = {}
    written: dict[str, str] = {}
    for name, count in counts.items():
        number = whole_number(name)
        label = name if number is None else str(number)
        if label in found:
            raise InputError(
                f"{source}: labels {written[label]!r} and {name!r} are the same number. Remove one of them"
            )
        found[label], written[label] = count, name
    return found


def labels_without_count(counts: Mapping[str, int], labels: Collection[Label], source: str) -> list[str]:
    """The ``labels`` without a count, as text, in their order; ``counts`` are those of ``parse_class_counts``.

    Raises InputError with all counts whose label is not among ``labels``.
    """
    known = [str(label) for label in labels]
    problems = []
    for name in counts:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"the labels are {', '.join(known)}"
            problems.append(f"label {name!r} is not in the reference data; {hint}")
    if problems:
        raise InputError("\n".join([f"{source}: cannot be used as counts by class", *problems]))
    return [name for name in known if name not in counts]


def class_targets(
    options: SelectionOptions, counts: Mapping[Label, int], requested: Mapping[str, int] | None = None
) -> dict[Label, int]:
    """Number of pixels to select for each label, at most the available ``counts``.

    ``requested`` are the counts of ``parse_class_counts`` for ``byclass``; other labels get 0. ``percent`` selects at
    least one pixel of each label with pixels. ``smallest`` ignores labels without pixels. ``total`` is proportional to
    the counts with the sum min(total, available), by largest remainders (Hamilton); ties are resolved in label order.
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
    """``total`` divided in proportion to ``counts``, as integers with the sum min(total, sum of counts).

    Integer arithmetic; no share exceeds its count n, because its quota total x n / sum is at most n.
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

    All positions if ``target`` is at least ``available``. The periodic sampler divides the pixels into ``target`` equal
    sequences and selects the first pixel of each, or a random one of its first ``jitter + 1`` pixels.
    """
    if target >= available:
        return np.arange(available, dtype=np.int64)
    if options.sampler == "random":
        return np.sort(rng.choice(available, size=target, replace=False)).astype(np.int64)
    edges = np.arange(target + 1, dtype=np.int64) * available // max(target, 1)
    room = np.minimum(np.diff(edges) - 1, options.jitter)
    return edges[:-1] + rng.integers(0, room, endpoint=True, dtype=np.int64)
