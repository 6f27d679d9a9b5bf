"""Classes of a map that becomes polygons: of a nomenclature, files of names and colours, the run, or without names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iota2.config.class_levels import read_levels
from iota2.config.options.chain import Chain
from iota2.core.class_levels import ClassLevels, named_classes, single_level, unnamed_classes
from iota2.core.nomenclature import Nomenclature
from iota2.core.remarks import Remark
from iota2.core.words import some
from iota2.errors import InputProblems
from iota2.io.tables.classes import read_colors, read_names

_SEA_NAME, _SEA_COLOR = "Sea", (0, 60, 130)
"""Name and colour of the sea, if the classes have none with its code."""


@dataclass(frozen=True)
class ClassSources:
    """Files of the classes of a map."""

    nomenclature: Path | None = None
    names: Path | None = None
    colors: Path | None = None
    """Files of names and colours, read without ``nomenclature`` if the run has no classes."""
    sea: int | None = None
    """Code of the sea; None without."""


def levels_of(given: ClassSources, codes: Sequence[int], of_run: Nomenclature | None) -> tuple[ClassLevels, str]:
    """The classes of the nomenclature, the files of names and colours, or the run, else of the codes without names; and
    their origin, for messages.

    ``codes``: those in the map. InputError if they are not in the files of names and colours; ConfigError for an
    invalid nomenclature.
    """
    on_land = [code for code in codes if code != given.sea]
    if given.nomenclature is not None:
        return read_levels(given.nomenclature), str(given.nomenclature)
    if given.names is not None or given.colors is not None:
        classes, source = _named(given, on_land), str(given.names or given.colors)
    elif of_run is not None:
        classes, source = of_run, "the run"
    else:
        classes, source = unnamed_classes(on_land), "the map"
    if given.sea is not None and given.sea not in classes.codes:
        classes = _with_sea(classes, given.sea)
    return single_level(classes), source


def missing_classes(codes: Sequence[int], levels: ClassLevels, source: str, found: str = "the map has pixels") -> str:
    """A problem if some of the codes that were ``found`` are no classes; else empty."""
    missing = [str(code) for code in codes if code not in levels.classes.codes]
    if not missing:
        return ""
    text = f"{found} of the codes {some(missing, 20)}, which are no classes of {source}"
    return f"{text}. Add them, or give another nomenclature"


def _named(given: ClassSources, codes: Sequence[int]) -> Nomenclature:
    """The classes of these codes with names and colours of the files that are given; without codes, of no class."""
    names = None if given.names is None else read_names(given.names)
    colors = None if given.colors is None else read_colors(given.colors)
    found = (("nomenclature_path", names), ("color_table", colors))
    problems = [(("chain", key), text) for key, listing in found for text in (listing.problems if listing else ())]
    if problems and not codes:
        raise InputProblems(problems)
    return named_classes(codes, names, colors, origin="the map") if codes else unnamed_classes(())


def _with_sea(classes: Nomenclature, code: int) -> Nomenclature:
    """The classes and the sea, in the order of their codes."""
    rows = sorted(
        [*zip(classes.codes, classes.names, classes.colors, strict=True), (code, _SEA_NAME, _SEA_COLOR)],
        key=lambda row: row[0],
    )
    codes, names, colors = zip(*rows, strict=True)
    return Nomenclature(codes, names, colors, codes)


def class_remarks(given: ClassSources, chain: Chain, *, of_run: bool) -> Iterator[Remark]:
    """Yield remarks on names without colours, colours without names, and files of them that are not read.

    ``of_run``: whether the run has classes, for which it reads these files.
    """
    if given.names is not None and given.colors is None:
        text = f"chain.color_table is not given: the classes of {given.names} get evenly spaced hues"
        yield Remark(f"Vectorisation: {text}.", "options")
    if given.colors is not None and given.names is None:
        text = f"chain.nomenclature_path is not given: the names of the classes of {given.colors} are their codes"
        yield Remark(f"Vectorisation: {text}.", "options")
    for name in ("nomenclature_path", "color_table") if given.nomenclature and not of_run else ():
        if getattr(chain, name):
            yield Remark(f"chain.{name}: has no effect: simplification.nomenclature is given.", "options")
