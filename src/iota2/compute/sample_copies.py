"""Copies of samples of one model for another: rules, and the samples that they draw."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iota2.core.labels import normalised, whole_number
from iota2.core.nomenclature import Label, code_of, unknown_label
from iota2.core.random import generator
from iota2.core.words import counted, nearest, some
from iota2.errors import InputError

ALL = -1
"""Quantity of a rule that copies all samples of the class."""


@dataclass(frozen=True)
class CopyRule:
    """One line of the user's file: samples of a class that one region gets from another.

    Source and destination are regions, which mean all their models, or single models of a region with several.
    """

    line: int
    source: str
    destination: str
    label: str
    """Label of the class as written in the file."""
    quantity: int
    """Number of samples; ``ALL`` for all of them."""


@dataclass(frozen=True, order=True)
class Copy:
    """A rule for an existing class: samples that one model gets."""

    source: str
    """Name of a model, or of a region for all its models."""
    destination: str
    """Name of the model."""
    code: int
    quantity: int
    """Number of samples; ``ALL`` for all of them."""


def parse_copy_rules(text: str, source: str) -> tuple[CopyRule, ...]:
    """The rules from lines ``source,destination,class,quantity``.

    Blank lines and lines that begin with ``#`` are ignored. Raises InputError with the numbers of all malformed and
    all repeated lines.
    """
    rules: list[CopyRule] = []
    problems: list[str] = []
    lines: dict[tuple[str, str, str], int] = {}
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        cells = [normalised(cell) for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        quantity = whole_number(cells[-1])
        if len(cells) != 4 or not all(cells) or quantity is None or quantity < ALL:
            remedy = "; remove the header" if len(cells) == 4 and not rules and cells[-1].isalpha() else ""
            problems.append(
                f"line {number}: {','.join(row)!r} is not a source, destination, label and quantity of 0 or more, or "
                f"{ALL} for all samples{remedy}"
            )
            continue
        key = (cells[0], cells[1], cells[2])
        if key in lines:
            problems.append(f"line {number}: copies the same class as line {lines[key]}; keep one of them")
        lines.setdefault(key, number)
        rules.append(CopyRule(number, *key, quantity))
    if problems:
        raise InputError("\n".join([f"{source}: cannot be used as rules of sample copies", *problems]))
    return tuple(rules)


def applicable(
    rules: Sequence[CopyRule], models: Mapping[str, Sequence[str]], classes: Mapping[Label, int], source: str
) -> tuple[tuple[Copy, ...], list[str]]:
    """The rules for names in ``models`` and classes in ``classes`` (code by label), sorted, and warnings on others.

    ``models``: models that each name means (``submodels.models_by_name``). A rule whose destination means several
    models applies to each of them, with its whole quantity; not to the model that is its only source. The order of
    ``rules`` has no effect. Rules of one class under several spellings (``11`` and ``011``) are joined: the largest
    quantity applies.
    """
    found: dict[tuple[str, str, int], int] = {}
    warnings = []
    for rule in rules:
        code = code_of(rule.label, classes)
        why = _unknown_region(rule, models) or _why_not(rule, code, classes)
        if why or code is None:
            warnings.append(_ignored(rule, why, source))
            continue
        for destination in models[rule.destination]:
            if (*models[rule.source],) == (destination,):
                continue
            key = rule.source, destination, code
            quantity = found.get(key, 0)
            found[key] = ALL if ALL in (quantity, rule.quantity) else max(quantity, rule.quantity)
    return tuple(sorted(Copy(*key, quantity) for key, quantity in found.items())), warnings


def rules_of_unknown_regions(rules: Sequence[CopyRule], names: Collection[str], source: str) -> list[str]:
    """Warnings on the rules for regions or models that are not in ``names``, as those of ``applicable``."""
    found = ((rule, _unknown_region(rule, names)) for rule in rules)
    return [_ignored(rule, why, source) for rule, why in found if why]


def _ignored(rule: CopyRule, why: str, source: str) -> str:
    return f"{source}, line {rule.line} is ignored: {why}{'' if why.endswith('?') else '.'}"


def _unknown_region(rule: CopyRule, names: Collection[str]) -> str:
    """The reason why a rule cannot be applied if a region or model is unknown; empty otherwise."""
    for name in (rule.source, rule.destination):
        if name not in names:
            near = nearest(name, names)
            return f"there is no region or model {name!r}; " + (
                f"did you mean {near!r}?" if near else f"expected one of {some(sorted(names), 10)}"
            )
    return ""


def _why_not(rule: CopyRule, code: int | None, classes: Mapping[Label, int]) -> str:
    """The reason why a rule for known regions cannot be applied; empty if it can."""
    if rule.source == rule.destination:
        return f"source and destination are the same, {rule.source}"
    return unknown_label(rule.label, classes) if code is None else ""


def drawn(codes: Mapping[Copy, np.ndarray], *, seed: int) -> dict[Copy, np.ndarray]:
    """Ascending positions (int64) of the samples that each rule copies, among the samples of its source.

    ``codes``: for each rule, (sample,) class codes of the samples of its source before any copy. The samples of a rule
    are drawn without replacement; they depend on ``seed``, source, destination, class and quantity only, not on other
    rules. A rule gets all samples of the class if there are fewer than its quantity.
    """
    found = {}
    for rule, of_source in codes.items():
        of_class = np.flatnonzero(of_source == rule.code)
        if 0 <= rule.quantity < len(of_class):
            rng = generator(seed, "copy", rule.source, rule.destination, rule.code)
            of_class = np.sort(rng.choice(of_class, size=rule.quantity, replace=False))
        found[rule] = of_class.astype(np.int64)
    return found


def repeated(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each of the points ``others`` (m, 2) equals one of ``own`` (n, 2) or an earlier one, (m,) bool."""
    points = np.concatenate([own, others]).astype(np.float64)
    _, first, place = np.unique(points, axis=0, return_index=True, return_inverse=True)
    earliest = first[place.reshape(-1)]
    return np.asarray((earliest < np.arange(len(points)))[len(own) :])


@dataclass(frozen=True)
class CopyCount:
    """Numbers of samples of one rule."""

    rule: Copy
    available: int
    """Samples of the class in the source."""
    copied: int
    same_place: int
    """Drawn samples that are left out, because the destination has a sample of the same pixel."""

    @property
    def missing(self) -> int:
        """Requested samples that the source does not have."""
        return max(0, self.rule.quantity - self.available)


def shortage(count: CopyCount, label: str) -> str:
    """A warning on a rule that requests more samples than the source has; empty without one."""
    rule = count.rule
    if not count.missing and count.available:
        return ""
    if rule.quantity == 0:
        return ""
    wanted = "all samples" if rule.quantity == ALL else counted(rule.quantity, "sample")
    has = f"all {count.available} are copied" if count.available else "it has none"
    return f"model {rule.destination} requests {wanted} of class {label} of model {rule.source}: {has}."
