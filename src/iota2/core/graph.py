"""Steps and artifacts of a chain, as values. ``run.plan.jobs`` makes jobs from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Generic, Literal, NamedTuple, cast

from typing_extensions import TypeVar

from iota2.core.cost import Cost, Facts, JobFacts
from iota2.core.remarks import Remark

AXES = ("tile", "part", "sensor", "region", "seed")
"""The axes of a run. A row of the run's table gives each of them a value; parts are strips of a tile."""

P = TypeVar("P", default=Any)
P_co = TypeVar("P_co", covariant=True, default=object)
"""Parameters of a step: its part of the configuration. A function without parameters takes a plain ``JobContext``."""
C = TypeVar("C", default=Any)
"""The configuration, whose type only the steps know."""
Values = tuple[str | int, ...]
"""Values of some axes, without the names of the axes."""


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
        """``Key.of(tile="T31TCJ", part=0)``, in the order given."""
        return _key(tuple(values), tuple(values.values()))

    def by_axis(self) -> dict[str, str | int]:
        """The values by the names of their axes."""
        return dict(zip(self.axes, self, strict=True))

    def __getattr__(self, name: str) -> str | int:
        try:
            return self[self.axes.index(name)]
        except ValueError:
            raise AttributeError(f"{name} is not an axis of this key; expected one of {', '.join(self.axes)}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _key, (self.axes, tuple(self))

    def __repr__(self) -> str:
        return f"Key({', '.join(f'{axis}={value!r}' for axis, value in self.by_axis().items())})"


@cache
def _key_type(axes: tuple[str, ...]) -> type[Key]:
    """The class of keys with these axes, so that a key contains its values only."""
    return type("Key", (Key,), {"axes": axes, "__slots__": ()})


def _key(axes: tuple[str, ...], values: Values) -> Key:
    return _key_type(axes)(values)


Role = Literal["product", "intermediate", "note"]
"""``product``: a result for the user; ``note``: a description or display style of other files, for a person or the
next run; ``intermediate``: a file that steps pass to each other."""
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
    """True for every configuration."""
    return True


@dataclass(frozen=True)
class Artifact:
    """A kind of file. Braces in its path name axes or constants of the run."""

    path: str
    """Relative to the output folder: ``envelope/{tile}.shp``."""
    about: str
    """One sentence for the person who opens the folder."""
    when: Callable[[Any], bool] = always
    """Whether a configuration asks for the artifact. An artifact that an active step needs is made anyway."""
    role: Role = "intermediate"

    @property
    def media_type(self) -> str | None:
        """Media type by extension; None for folders and for extensions that are constants of the run."""
        return MEDIA_TYPES.get(PurePosixPath(self.path).suffix)

    def matches(self, name: str) -> bool:
        """Whether ``name``, relative to the output folder, is a path of the artifact for some values of its axes."""
        return _pattern(self.path).fullmatch(name) is not None

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that occur in the path."""
        return tuple(axis for axis in AXES if "{" + axis + "}" in self.path)


@dataclass(frozen=True)
class Need:
    """An input of a step, under one name. A plain artifact is a required input, and is made because of it."""

    choices: tuple[Artifact, ...]
    """The first one that the run makes is read."""
    may_be_absent: bool = False
    """Whether the step also runs when none of the choices is made."""
    output: Artifact | None = None
    """The output that the input serves: the input is not read when this output is not made. None: all outputs."""

    @property
    def required(self) -> bool:
        """Whether the artifact is made because of this need."""
        return len(self.choices) == 1 and not self.may_be_absent

    def applies(self, made: Set[Artifact]) -> bool:
        """Whether the need applies in a run that makes these artifacts."""
        return self.output is None or self.output in made


def first(*choices: Artifact) -> Need:
    """The first artifact that the run makes; at least one is required: ``first(SMOOTHED, LABELS)``."""
    return Need(choices)


def optional(artifact: Artifact) -> Need:
    """An artifact that is read if it is made for another reason."""
    return Need((artifact,), may_be_absent=True)


def only_for(output: Artifact, artifact: Artifact) -> Need:
    """An artifact that is needed for one output of the step, and not read when that output is not made."""
    return Need((artifact,), output=output)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """The pattern of an artifact's paths; values of axes contain no slash."""
    parts = re.split(r"{\w+}", path)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


class MultiplePaths(NamedTuple):
    """Paths of an artifact with more axes than the job, by the values of the additional axes."""

    axes: tuple[str, ...]
    paths: Mapping[Values, str]


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one job's inputs or outputs, by artifact name.

    ``paths.scene`` is the single path of an artifact whose axes the job fixes; AttributeError for an artifact with more
    axes. For these, ``paths.each("scene")`` gives pairs of key and path, and ``paths.at("scene", tile="T31TCJ")`` one
    path. Because a run has a million paths, they are stored as text relative to the output folder, a single path
    without a mapping, and keys are created on demand.
    """

    root: Path
    bound: Mapping[str, str | MultiplePaths]

    def __getattr__(self, name: str) -> Path:
        if name.startswith("__") or name in ("root", "bound"):  # pickle asks for these before the instance is filled
            raise AttributeError(name)
        try:
            found = self.bound[name]
        except KeyError:
            raise AttributeError(name) from None
        if not isinstance(found, str):
            raise AttributeError(f"{name} has several paths: use each({name!r})")
        return self.root / found

    def each(self, name: str) -> Iterator[tuple[Key, Path]]:
        """Paths of an artifact, each with the key of the axes that the job does not fix."""
        found = self.bound[name]
        axes, texts = MultiplePaths((), {(): found}) if isinstance(found, str) else found
        make = _key_type(axes)
        for values, text in texts.items():
            yield make(values), self.root / text

    def all(self, name: str) -> Mapping[Key, Path]:
        """Paths of an artifact by key of the axes that the job does not fix."""
        return dict(self.each(name))

    def at(self, name: str, **values: str | int) -> Path:
        """The path of an artifact for these values of the axes that the job does not fix; KeyError if there is none."""
        found = self.bound[name]
        axes, texts = MultiplePaths((), {(): found}) if isinstance(found, str) else found
        return self.root / texts[tuple(values[axis] for axis in axes)]

    def names(self, artifact: str) -> tuple[str, ...]:
        """Paths of an artifact, relative to the output folder."""
        found = self.bound[artifact]
        return (found,) if isinstance(found, str) else tuple(found.paths.values())

    def __contains__(self, name: object) -> bool:
        return name in self.bound


@dataclass(frozen=True)
class Resources:
    """Threads and memory that a job may use. They must not change its result."""

    threads: int = 1
    memory: int = 256 << 20
    """Bytes for the arrays of one block and its intermediate results."""
    block_shape: tuple[int, int] | None = None
    """Forced block shape, for tests; None computes it from ``memory``."""


@dataclass(frozen=True)
class JobContext(Generic[P_co]):
    """All arguments of a job's function: input paths, output paths, key, parameters, resources."""

    inp: Paths
    out: Paths
    key: Key
    """Value of each axis the job fixes: ``key.tile``."""
    params: P_co
    use: Resources


class Finding(NamedTuple):
    """A problem or remark that a step finds in its options and inputs before the run."""

    text: str
    option: tuple[str | int, ...] = ()
    """The option concerned: section, key, keys of a part of the value."""
    remark: Remark | None = None
    """The remark when the run continues; None for a problem that stops the run."""

    @staticmethod
    def about(remark: Remark) -> Finding:
        """A remark that does not stop the run."""
        return Finding(remark.text, remark=remark)


def default_cost(config: object, facts: JobFacts) -> Cost:
    """Cost of a job that reads its area once and writes little."""
    return facts.raster_cost()


def no_findings(config: object, facts: Facts) -> tuple[Finding, ...]:
    """No findings, for a step without checks."""
    return ()


def _no_parameters(config: object) -> None:
    return None


@dataclass(frozen=True)
class Step(Generic[P, C]):
    """One step of a chain: a function over the distinct values of some axes."""

    name: str
    """Unique name, also of the log folder."""
    group: str
    about: str
    task: str
    """Pattern of job names: ``classification_{tile}_part_{part}``."""
    run: Callable[[JobContext[P]], None]
    over: tuple[str, ...]
    needs: Mapping[str, Artifact | Need]
    """Inputs, by the names that the function uses."""
    makes: Mapping[str, Artifact]
    params: Callable[[C], P] = field(default=cast(Any, _no_parameters))
    """The only part of the configuration that the step sees."""
    when: Callable[[C], bool] = always
    version: int = 1
    cost: Callable[[C, JobFacts], Cost] = field(default=default_cost)
    """Resources that a job will need, estimated before the run."""
    check: Callable[[C, Facts], Iterable[Finding]] = field(default=no_findings)
    """Problems and remarks on options and inputs, from file headers only. Called for active steps, before recipe and
    classes are known."""
    block_shape: Callable[[C, Facts, str, Resources], tuple[int, int]] | None = None
    """Rows and columns of a job's blocks on a tile, for steps that report them. ConfigError if the smallest block does
    not fit into memory."""
    labels: bool = False
    """Whether a failed job leaves a gap in the map."""

    @property
    def all_needs(self) -> Mapping[str, Need]:
        """All inputs as needs, plain artifacts included."""
        return {name: need if isinstance(need, Need) else Need((need,)) for name, need in self.needs.items()}
