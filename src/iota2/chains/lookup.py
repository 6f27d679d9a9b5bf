"""Built-in builders, and lookup of builders by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from iota2 import layout
from iota2.chains.checks import chain_problems
from iota2.chains.classification import CLASSIFICATION
from iota2.chains.features_map import FEATURES_MAP
from iota2.chains.features_tiler import FEATURES_TILER
from iota2.chains.obia import OBIA
from iota2.chains.regression import REGRESSION
from iota2.chains.user_builders import builders_in, python_files
from iota2.config.options.schema import Config
from iota2.core.builder import Builder, Chain
from iota2.core.graph import Artifact
from iota2.core.words import did_you_mean, normalised_name
from iota2.errors import ConfigError, UserError
from iota2.options import NOT_YET

BUILDERS: tuple[Builder, ...] = (CLASSIFICATION, OBIA, REGRESSION, FEATURES_MAP, FEATURES_TILER)
"""The built-in builders."""
LEARNING = (CLASSIFICATION.name, OBIA.name, REGRESSION.name)
"""Built-in builders of which a chain has at most one."""
DEFAULT_BUILDERS = (CLASSIFICATION,)
"""The builders of a configuration that names none."""
UNAVAILABLE_BUILDERS: Mapping[str, str] = {
    "I2Vectorization": "V",
}
"""Builders that are known but not available yet, with their letters in the lists of options by builder."""
SURVEY: tuple[Artifact, ...] = (
    layout.SCENE,
    layout.SCAN_NOTES,
    layout.LISTING,
    layout.RASTER_SOURCE,
    layout.SUBMODELS,
    layout.MAP_GRID,
)
"""Files that the survey writes at every start of a run, as far as the run has their axes: the inputs of the first
jobs."""


def find_builders(names: Sequence[str], folders: Sequence[Path] = ()) -> tuple[Builder, ...]:
    """The builders with these names or aliases; case and separators are ignored. DEFAULT_BUILDERS without names.

    ``folders``: folders of user-defined builders. Raises UserError for unknown or ambiguous names, and for files that
    cannot be imported.
    """
    stamps = tuple((file, file.stat().st_mtime_ns) for file in python_files(folders))
    known = _known(tuple(folders), stamps)
    if problems := [problem for name in dict.fromkeys(names) if (problem := _problem(name, known))]:
        raise UserError("; ".join(problems))
    return tuple(known[normalised_name(name)] for name in names) or DEFAULT_BUILDERS


@cache
def _known(folders: tuple[Path, ...], stamps: tuple[tuple[Path, int], ...]) -> Mapping[str, Builder]:
    """Builders by normalised name or alias; cached until a file changes."""
    known: dict[str, Builder] = {}
    for builder in (*BUILDERS, *_of_user(folders)):
        for name in (builder.name, *builder.aliases):
            if (other := known.setdefault(normalised_name(name), builder)) is not builder:
                where = other.source or "built in"
                text = f"{builder.source}: another builder has the name {name} ({where}); rename one of them"
                raise UserError.about(("builders", "builders_paths"), text)
    return known


def _of_user(folders: tuple[Path, ...]) -> Sequence[Builder]:
    try:
        return builders_in(folders, BUILDERS) if folders else ()
    except UserError as err:
        raise UserError.about(("builders", "builders_paths"), str(err)) from err


def _problem(name: str, known: Mapping[str, Builder]) -> str:
    """Why no builder has this name; empty if one has."""
    if normalised_name(name) in known:
        return ""
    names = list(dict.fromkeys(builder.name for builder in known.values()))
    if any(normalised_name(one) == normalised_name(name) for one in UNAVAILABLE_BUILDERS):
        return f"{name!r} {NOT_YET}; expected one of {', '.join(names)}"
    own = any(builder.source for builder in known.values())
    others = "" if own else ", or give the folder of its file in builders.builders_paths"
    hint = did_you_mean(name, names) or f"; expected one of {', '.join(names)}{others}"
    return f"{name!r} is not a builder{hint}"


@cache
def _chain(builders: tuple[Builder, ...]) -> Chain:
    """The chain of some builders; ValueError if its steps do not fit together."""
    maps = [builder.name for builder in builders if builder.name in LEARNING]
    if len(maps) > 1:
        raise ValueError(
            f"{' and '.join(maps)} make the same files. Run them one after the other, each "
            "with its own chain.output_path"
        )
    chain = Chain(builders)
    known = [step for builder in BUILDERS for step in builder.steps]
    if problem := next(chain_problems(chain, SURVEY, known), None):
        sources = [builder.source for builder in builders if builder.source]
        raise ValueError(f"{', '.join(sources)}: {problem}" if sources else problem)
    return chain


def selected_builders(names: Sequence[str], folders: Sequence[Path] = ()) -> tuple[Builder, ...]:
    """``find_builders`` of builders whose steps fit together; UserError if they do not."""
    builders = find_builders(names, folders)
    try:
        _chain(builders)
    except ValueError as err:
        option = "builders_paths" if any(builder.source for builder in builders) else "builders_class_name"
        raise UserError.about(("builders", option), str(err)) from err
    return builders


def chain_of(config: Config) -> Chain:
    """The chain of the builders that a configuration selects. ConfigError if they cannot be found or combined."""
    try:
        return _chain(selected_builders(config.builders.builders_class_name, config.builders.builders_paths))
    except UserError as err:
        raise ConfigError.about(err.option or ("builders", "builders_class_name"), err.text) from err
