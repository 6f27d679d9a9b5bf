"""The text of the option ``fusion_options``: how the labels of several models of a region are fused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast, get_args

from iota2.classifiers.options import split_text
from iota2.compute.label_fusion import Measure
from iota2.core.words import did_you_mean

FusionMethod = Literal["majorityvoting", "dempstershafer", "mean"]
"""Most votes; label of maximum belief; label of the highest mean probability."""
DEFAULT_FUSION = "-nodatalabel 0 -method majorityvoting"
"""Default of ``fusion_options``."""
METHOD, MEASURE = "method", "method.dempstershafer.mob"
_SET_BY_IOTA2 = ("il", "out", "ram", "progress", "inxml", "method.dempstershafer.cmfl")
"""Options of the application FusionOfClassifications of the Orfeo ToolBox for its files."""


@dataclass(frozen=True)
class FusionOptions:
    """Method of the fusion. Models without a label (0) do not vote; undecided pixels are 0 before
    ``no_label_management``."""

    method: FusionMethod = "majorityvoting"
    measure: Measure | None = None
    """Accuracy measure used as mass of a model; None unless the method is ``dempstershafer``."""


def read_fusion_options(text: str | None) -> FusionOptions:
    """The options for a text such as ``-nodatalabel 0 -method dempstershafer -method.dempstershafer.mob recall``.

    A single word is the method. None and a blank text mean the default. ``ValueError`` for unknown names and values.
    """
    words = (DEFAULT_FUSION if text is None else text).split() or DEFAULT_FUSION.split()
    given = {METHOD: words[0]} if len(words) == 1 and not words[0].startswith("-") else split_text(" ".join(words))
    for name, value in given.items():
        _check(name, value)
    method = cast(FusionMethod, given.get(METHOD, "majorityvoting"))
    if method != "dempstershafer":
        if MEASURE in given:
            raise ValueError(f"-{MEASURE} requires -method dempstershafer; got {method}")
        return FusionOptions(method)
    return FusionOptions(method, cast(Measure, given.get(MEASURE, "precision")))


def _check(name: str, value: str) -> None:
    """``ValueError`` for an unknown name, or a value that the name does not allow."""
    if name in _SET_BY_IOTA2:
        raise ValueError(f"-{name} is set by iota2; remove it")
    if name not in _CHECKS:
        raise ValueError(f"unknown option -{name}{did_you_mean(name, _CHECKS) or _expected(*_CHECKS)}")
    _CHECKS[name](name, value)


def _one_of(choices: tuple[str, ...]) -> Callable[[str, str], None]:
    def check(name: str, value: str) -> None:
        if value not in choices:
            raise ValueError(f"-{name} {value} is unknown{did_you_mean(value, choices) or _expected(*choices)}")

    return check


def _zero(name: str, value: str) -> None:
    if value != "0":
        raise ValueError(f"-{name} {value}; expected 0, which is the label of pixels without a class in all maps")


def _expected(*choices: str) -> str:
    return f"; expected one of {', '.join(choices)}"


_CHECKS: dict[str, Callable[[str, str], None]] = {
    METHOD: _one_of(get_args(FusionMethod)),
    MEASURE: _one_of(get_args(Measure)),
    "nodatalabel": _zero,
    "undecidedlabel": _zero,
}
"""Checks of values by name."""
