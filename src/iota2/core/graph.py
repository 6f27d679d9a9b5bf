"""Steps and artifacts: what a chain is made of, as values. How they become jobs is in ``run.plan.jobs``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Generic, Literal, NamedTuple, cast

from typing_extensions import TypeVar

from iota2.core.cost import Cost, Facts, JobFacts

AXES = ("tile", "part", "sensor", "region", "seed")
"""The axes of a run. A row of the run's table gives each of them a value; parts are strips of a tile."""

P = TypeVar("P", default=Any)
P_co = TypeVar("P_co", covariant=True, default=object)
"""The parameters of a step: its part of the configuration. Functions that read none of them take a ``JobContext``."""
C = TypeVar("C", default=Any)
"""The configuration. Its type is known to steps, not here."""
Values = tuple[str | int, ...]
"""Values of some axes, whose names stand elsewhere."""


class Key(tuple[str | int, ...]):
    """Values of some axes by name: ``key.tile``. Equal to the plain tuple of the values."""

    __slots__ = ()
    axes: ClassVar[tuple[str, ...]] = ()
    tile: str
    part: int
    sensor: str
    region: str
    seed: int

    @staticmethod
    def of(**values: str | int) -> Key:
        """``Key.of(tile="T31TCJ", part=0)``; the order is the one given."""
        return _key(tuple(values), tuple(values.values()))

    def by_axis(self) -> dict[str, str | int]:
        """The values by the names of their axes."""
        return dict(zip(self.axes, self, strict=True))

    def __getattr__(self, name: str) -> str | int:
        try:
            return self[self.axes.index(name)]
        except ValueError:
            raise AttributeError(f"{name} is none of the axes of this key: {', '.join(self.axes)}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _key, (self.axes, tuple(self))

    def __repr__(self) -> str:
        return f"Key({', '.join(f'{axis}={value!r}' for axis, value in self.by_axis().items())})"


@cache
def _key_type(axes: tuple[str, ...]) -> type[Key]:
    """Keys of these axes: one class for all of them, so that a key holds its values alone."""
    return type("Key", (Key,), {"axes": axes, "__slots__": ()})


def _key(axes: tuple[str, ...], values: Values) -> Key:
    return _key_type(axes)(values)


Role = Literal["product", "intermediate", "note"]
"""``product``: what a run is made for; ``note``: what tells a person, or the next run, about other files, and the
styles with which these are shown; ``intermediate``: all that steps hand on to each other."""
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".qml": "application/xml",
    ".shp": "application/vnd.shp",
    ".sqlite": "application/vnd.sqlite3",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff; application=geotiff",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".zip": "application/zip",
}
"""Media type of each kind of file, by its extension."""


def always(config: object) -> bool:
    """Whatever the configuration says."""
    return True


@dataclass(frozen=True)
class Artifact:
    """A kind of file; the braces in its path are its axes, or constants of the run."""

    path: str
    """Relative to the output folder: ``envelope/{tile}.shp``."""
    about: str
    """One sentence for the person who opens the folder."""
    when: Callable[[Any], bool] = always
    """Whether a configuration asks for it. It is also made when an active step needs it."""
    role: Role = "intermediate"

    @property
    def media_type(self) -> str | None:
        """Media type by the extension; None for folders, and where the extension is a constant of the run."""
        return MEDIA_TYPES.get(PurePosixPath(self.path).suffix)

    def matches(self, name: str) -> bool:
        """Whether ``name``, relative to the output folder, is its path for some values of its axes."""
        return _pattern(self.path).fullmatch(name) is not None

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that occur in the path."""
        return tuple(axis for axis in AXES if "{" + axis + "}" in self.path)


@dataclass(frozen=True)
class Need:
    """What a step reads under one name. An artifact by itself is needed in any case, and made for that."""

    choices: tuple[Artifact, ...]
    """The first that is made is read."""
    dispensable: bool = False
    """Whether the step does without when none is made."""
    output: Artifact | None = None
    """What is made from it: when the step does not make this output, it reads nothing. None: whatever it makes."""

    @property
    def required(self) -> bool:
        """Whether the artifact is made because of this need."""
        return len(self.choices) == 1 and not self.dispensable

    def applies(self, made: Set[Artifact]) -> bool:
        """Whether the need counts in a run that makes these artifacts."""
        return self.output is None or self.output in made


def first(*choices: Artifact) -> Need:
    """The first of some artifacts that is made; one of them must be: ``first(SMOOTHED, LABELS)``."""
    return Need(choices)


def optional(artifact: Artifact) -> Need:
    """An artifact that is read when it is made; a step that needs it does not have it made."""
    return Need((artifact,), dispensable=True)


def only_for(output: Artifact, artifact: Artifact) -> Need:
    """An artifact that is needed to make one of the step's outputs, and not read when that is not made."""
    return Need((artifact,), output=output)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """The paths of an artifact; values of axes hold no slash."""
    parts = re.split(r"{\w+}", path)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


class Several(NamedTuple):
    """The paths of an artifact that has more axes than the job, by the values of these axes."""

    axes: tuple[str, ...]
    paths: Mapping[Values, str]


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one job's inputs or outputs, by artifact name.

    ``paths.scene`` is the one path of an artifact whose axes the job fixes. For an artifact with more axes that is an
    error: ``paths.each("scene")`` gives keys, which name the values of these axes, with paths, and
    ``paths.at("scene", tile="T31TCJ")`` one path. A run has a million paths: they are kept as text relative to the
    output folder, the only one of an artifact by itself, and keys are made when they are asked for.
    """

    root: Path
    bound: Mapping[str, str | Several]

    def __getattr__(self, name: str) -> Path:
        if name.startswith("__") or name in ("root", "bound"):  # asked for before the instance is filled, by pickle
            raise AttributeError(name)
        try:
            found = self.bound[name]
        except KeyError:
            raise AttributeError(name) from None
        if not isinstance(found, str):
            raise AttributeError(f"{name} has several paths: use each({name!r})")
        return self.root / found

    def each(self, name: str) -> Iterator[tuple[Key, Path]]:
        """Paths of an artifact, each with the key of the axes that the job leaves open."""
        found = self.bound[name]
        axes, texts = Several((), {(): found}) if isinstance(found, str) else found
        make = _key_type(axes)
        for values, text in texts.items():
            yield make(values), self.root / text

    def all(self, name: str) -> Mapping[Key, Path]:
        """The same as a mapping."""
        return dict(self.each(name))

    def at(self, name: str, **values: str | int) -> Path:
        """The path of an artifact at these values of the axes that the job leaves open; KeyError without one."""
        found = self.bound[name]
        axes, texts = Several((), {(): found}) if isinstance(found, str) else found
        return self.root / texts[tuple(values[axis] for axis in axes)]

    def names(self, artifact: str) -> tuple[str, ...]:
        """Paths of an artifact, relative to the output folder."""
        found = self.bound[artifact]
        return (found,) if isinstance(found, str) else tuple(found.paths.values())

    def __contains__(self, name: object) -> bool:
        return name in self.bound


@dataclass(frozen=True)
class Resources:
    """What a job may use. Must not change its result."""

    threads: int = 1
    memory: int = 256 << 20
    """Bytes for arrays of one block and what is made from it."""
    block_shape: tuple[int, int] | None = None
    """Forced block shape, for tests; None computes it from ``memory``."""


@dataclass(frozen=True)
class JobContext(Generic[P_co]):
    """What a job's function gets: input paths, output paths, its key, its parameters, resources. Nothing else."""

    inp: Paths
    out: Paths
    key: Key
    """Value of each axis the job fixes: ``key.tile``."""
    params: P_co
    use: Resources


class Finding(NamedTuple):
    """What a step finds, before the run, about its options and inputs."""

    text: str
    option: tuple[str | int, ...] = ()
    """The option that it is about: section, key, keys of a part of the value."""
    stops: bool = True
    """Whether the run cannot go on with it; otherwise the user should know it."""


def default_cost(config: object, facts: JobFacts) -> Cost:
    """The cost of a job that reads its ground once and writes little."""
    return facts.raster_cost()


def no_findings(config: object, facts: Facts) -> tuple[Finding, ...]:
    """A step that has nothing to check."""
    return ()


def _no_parameters(config: object) -> None:
    return None


@dataclass(frozen=True)
class Step(Generic[P, C]):
    """One step of a chain: a function over the distinct values of some axes."""

    name: str
    """Name of its log folder."""
    group: str
    about: str
    task: str
    """Pattern of its job names: ``classification_{tile}_part_{part}``."""
    run: Callable[[JobContext[P]], None]
    over: tuple[str, ...]
    needs: Mapping[str, Artifact | Need]
    """What it reads, by the names that its function uses."""
    makes: Mapping[str, Artifact]
    params: Callable[[C], P] = field(default=cast(Any, _no_parameters))
    """The only part of the configuration that the step sees."""
    when: Callable[[C], bool] = always
    version: int = 1
    cost: Callable[[C, JobFacts], Cost] = field(default=default_cost)
    """What a job will need, guessed before the run."""
    check: Callable[[C, Facts], Iterable[Finding]] = field(default=no_findings)
    """What is wrong or doubtful about its options and inputs, as far as headers tell. Called when the step is active,
    before the recipe and the classes are known."""
    block_shape: Callable[[C, Facts, str, Resources], tuple[int, int]] | None = None
    """Rows and columns that a job computes at once on a tile. Raises ConfigError when the smallest block does not fit
    the memory. For steps whose blocks a user should know."""
    labels: bool = False
    """Whether a job that fails leaves a hole in the map."""

    @property
    def all_needs(self) -> Mapping[str, Need]:
        """Its needs, those of one artifact as values of the same kind."""
        return {name: need if isinstance(need, Need) else Need((need,)) for name, need in self.needs.items()}
