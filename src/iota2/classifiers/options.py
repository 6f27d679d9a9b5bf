"""How options of a classifier are described, read and checked."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from iota2.core.words import nearest

Number = int | float


def as_given(value: Number) -> Number:
    """The value itself."""
    return value


@dataclass(frozen=True)
class Option:
    """One option as users write it, and the parameter of the training library that it becomes."""

    name: str
    kind: type[int] | type[float]
    default: Number
    limits: tuple[Number, Number]
    about: str
    """What it means, or, for an option without effect, why it has none."""
    origin_default: Number | None = None
    """Default of the toolbox that defined the option, where it differs."""
    becomes: str = ""
    """Parameter set by the option; empty if it has no effect here."""
    convert: Callable[[Any], Any] = as_given

    def read(self, value: object) -> Number:
        """The number meant by ``value`` (a number or its text); ``ValueError`` with what was expected."""
        try:
            number = float(str(value))
        except ValueError:
            number = float("nan")
        whole = self.kind is float or number.is_integer()
        low, high = self.limits
        if isinstance(value, bool) or not whole or not low <= number <= high:
            noun = "a whole number" if self.kind is int else "a number"
            raise ValueError(f"{self.name}: {value!r} is not {noun} from {low} to {high}")
        return self.kind(number)


def split_text(text: str) -> dict[str, str]:
    """Options written as a command line (``-classifier.rf.min 5 -classifier.rf.max 25``) by name.

    Raises ``ValueError`` where a value stands without a name or a name without a value.
    """
    words = shlex.split(text)
    named = {name[1:]: value for name, value in pairwise(words) if _is_name(name) and not _is_name(value)}
    if 2 * len(named) != len(words):
        raise ValueError(f"options {text!r} are not pairs of a name and a value, like -classifier.rf.max 25")
    return named


def _is_name(word: str) -> bool:
    return word.startswith("-") and word[1:2].isalpha()


def parse(
    options: Sequence[Option], given: Mapping[str, object]
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """Parameters (with defaults filled in), warnings and problems of the given options."""
    known = {option.name: option for option in options}
    values: dict[str, Number] = {}
    warnings, problems = [], [_unknown(name, known) for name in given if name not in known]
    for name in given.keys() & known.keys():
        try:
            values[name] = known[name].read(given[name])
        except ValueError as err:
            problems.append(str(err))
        if not known[name].becomes:
            warnings.append(f"{name} has no effect: {known[name].about}")
    parameters = {o.becomes: o.convert(values.get(o.name, o.default)) for o in options if o.becomes}
    return parameters, tuple(sorted(warnings)), tuple(sorted(problems))


def _unknown(name: str, known: Mapping[str, Option]) -> str:
    near = nearest(name, known)
    hint = f"did you mean {near}?" if near else f"known options: {', '.join(known)}"
    return f"{name}: unknown option; {hint}"


def tree_count(options: Mapping[str, object]) -> int:
    """Trees of a forest, for estimates; 100 where the options do not say."""
    return int(str(options.get("classifier.rf.nbtrees", 100)))
