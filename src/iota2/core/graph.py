"""Steps and artifacts of a chain. ``run.plan.jobs`` derives the jobs of a run from them."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from numbers import Real
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Any, ClassVar, Generic, Literal, NamedTuple, cast, get_args

from typing_extensions import TypeVar

from iota2.core.cost import Cost, Facts, JobFacts, model_name
from iota2.core.remarks import Remark
from iota2.core.words import counted, did_you_mean
from iota2.errors import OptionPath, UserError

AXES = ("tile", "part", "strip", "sensor", "raster", "region", "submodel", "seed", "source", "square", "area")
"""The axes of a run. A step has one job for each value of its axes. A part is a strip of rows of a tile, a strip one of
the mosaic of all tiles (only in runs that write a Zarr store), a raster one of the rasters that are cut to tiles. A
square is a part of a map that becomes polygons, an area one of those that polygons are cut to.

Region, submodel, seed and source identify a model. ``submodel`` is empty, or ``f1``, ``f2`` … for the models of a
region that is split; ``source`` is empty, or ``_SAR`` for the models of radar images beside those of optical images."""

SOURCES = ("", "_SAR")
"""Values of the axis ``source`` if optical and radar images have models of their own."""

P = TypeVar("P", default=Any)
P_co = TypeVar("P_co", covariant=True, default=object)
"""Parameters of a step: its part of the configuration. ``JobContext`` without argument is for steps without
parameters."""
C = TypeVar("C", default=Any)
"""Type of the configuration. This module does not depend on it."""
Values = tuple[str | int, ...]
"""Values of some axes, without the axis names."""


class Key(tuple[str | int, ...]):
    """Values of some axes, as attributes: ``key.tile``. A key equals the tuple of its values."""

    __slots__ = ()
    axes: ClassVar[tuple[str, ...]] = ()
    tile: str
    part: int
    strip: int
    sensor: str
    raster: str
    region: str
    submodel: str
    seed: int
    source: str
    square: str
    area: str

    @staticmethod
    def of(**values: str | int) -> Key:
        """A key of these values, in the given order: ``Key.of(tile="T31TCJ", part=0)``."""
        return _key(tuple(values), tuple(values.values()))

    @property
    def model(self) -> str:
        """Name of the model; see ``model_name``."""
        return model_name(self.by_axis())

    def by_axis(self) -> dict[str, str | int]:
        """The values by axis name."""
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
    """The subclass of ``Key`` for these axes. The class holds the axis names, so that a key stores only values."""
    return type("Key", (Key,), {"axes": axes, "__slots__": ()})


def _key(axes: tuple[str, ...], values: Values) -> Key:
    return _key_type(axes)(values)


Role = Literal["product", "intermediate", "note"]
"""``product``: a result for the user; ``intermediate``: a file that one step writes for another; ``note``: a
description or display style of other files, or a record for the user or the next run."""
ROLES: tuple[str, ...] = get_args(Role)
"""All roles."""
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".cv": "text/plain",
    ".fgb": "application/vnd.flatgeobuf",
    ".gpkg": "application/geopackage+sqlite3",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".npz": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
    ".pmtiles": "application/vnd.pmtiles",
    ".png": "image/png",
    ".qml": "application/xml",
    ".shp": "application/vnd.shp",
    ".sqlite": "application/vnd.sqlite3",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff; application=geotiff",
    ".txt": "text/plain",
    ".vrt": "application/xml",
    ".xml": "application/xml",
    ".zarr": "application/vnd.zarr",
    ".zip": "application/zip",
}
"""Media types by file extension."""


def always(config: object) -> bool:
    """True for every configuration."""
    return True


def require_pattern(what: str, text: str) -> None:
    """``ValueError`` for a text with NUL, or with braces that do not enclose names."""
    if "\0" in text:
        raise ValueError(f"the {what} {text!r} contains a NUL character")
    try:
        parts = [*Formatter().parse(text)]
    except ValueError as err:
        raise ValueError(f"the {what} {text!r} has braces without a partner ({err})") from err
    for literal, name, form, conversion in parts:
        if "{" in literal or "}" in literal or form or conversion or (name is not None and not name.isidentifier()):
            raise ValueError(f"the {what} {text!r} has braces that do not enclose the name of an axis")


@dataclass(frozen=True)
class Artifact:
    """A kind of file in the output folder. Braces in its path contain axes or constants of the run."""

    path: str
    """Path relative to the output folder: ``envelope/{tile}.shp``."""
    about: str
    """Description for the user, one sentence."""
    when: Callable[[Any], bool] = always
    """Whether a configuration requests the artifact. Artifacts that an active step needs are made in any case."""
    role: Role = "intermediate"

    def __post_init__(self) -> None:
        if not (isinstance(self.path, str) and self.path):
            raise ValueError(f"an artifact has the path {self.path!r}; expected a text")
        require_pattern("path", self.path)
        if (plain := str(PurePosixPath(self.path))) != self.path:
            raise ValueError(f"the path {self.path!r} must be written {plain!r}")
        if not isinstance(self.about, str):
            raise ValueError(f"{self.path}: about is {self.about!r}; expected a text")
        if not callable(self.when):
            raise ValueError(f"{self.path}: when is {self.when!r}; expected a function of the configuration")
        if self.role not in ROLES:
            hint = did_you_mean(str(self.role), ROLES) or f"; expected one of {', '.join(ROLES)}"
            raise ValueError(f"{self.path}: there is no role {self.role!r}{hint}")

    @property
    def media_type(self) -> str | None:
        """Media type of the extension; None for folders and for extensions that are constants of the run."""
        return MEDIA_TYPES.get(PurePosixPath(self.path).suffix)

    @property
    def is_page(self) -> bool:
        """Whether the artifact is an HTML page."""
        return self.path.endswith(".html")

    def matches(self, name: str) -> bool:
        """Whether ``name``, relative to the output folder, is a path of the artifact, for any values of its axes."""
        return _pattern(self.path).fullmatch(name) is not None

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that occur in the path."""
        return tuple(axis for axis in AXES if "{" + axis + "}" in self.path)


@dataclass(frozen=True)
class Need:
    """An input of a step. An artifact in place of a ``Need`` is a required input."""

    choices: tuple[Artifact, ...]
    """Alternatives: the step reads the first one that the run makes."""
    may_be_absent: bool = False
    """Whether the step runs even if none of the choices is made."""
    output: Artifact | None = None
    """The only output that needs the input; if it is not made, the input is not read. None: all outputs need the
    input."""

    @property
    def required(self) -> bool:
        """Whether this need causes its artifact to be made."""
        return len(self.choices) == 1 and not self.may_be_absent

    def applies(self, made: Set[Artifact]) -> bool:
        """Whether the input is read in a run that makes these artifacts."""
        return self.output is None or self.output in made


def first(*choices: Artifact) -> Need:
    """A need for the first of several artifacts that the run makes: ``first(SMOOTHED, LABELS)``. One is required."""
    return Need(choices)


def optional(*choices: Artifact) -> Need:
    """A need for an artifact, or the first of several, that the step reads if the run makes it for another reason."""
    return Need(choices, may_be_absent=True)


def only_for(output: Artifact, *choices: Artifact) -> Need:
    """A need for an artifact, or the first of several that the run makes, only read if the step makes ``output``."""
    return Need(choices, output=output)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """The regular expression of an artifact's paths; values of axes contain no slash."""
    parts = re.split(r"{\w+}", path)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


class MultiplePaths(NamedTuple):
    """Paths of an artifact with additional axes, which the job does not fix, by the values of these axes."""

    axes: tuple[str, ...]
    paths: Mapping[Values, str]


PathKind = Literal["input", "output", "path"]
"""What ``Paths`` contain: inputs, outputs, or other paths."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one job's inputs or outputs, by artifact name.

    ``paths.scene`` is the path of an artifact whose axes the job all fixes; it raises AttributeError for an artifact
    with additional axes. For such an artifact, ``paths.each("scene")`` gives pairs of key and path, and
    ``paths.at("scene", tile="T31TCJ")`` one path. A run may have a million paths. To save memory, they are stored as
    text relative to the output folder, and keys are created on demand.
    """

    root: Path
    bound: Mapping[str, str | MultiplePaths]
    kind: PathKind = "path"
    """What the paths are, for messages."""

    def __getattr__(self, name: str) -> Path:
        if name.startswith("__") or name in ("root", "bound", "kind"):  # pickle reads these before the slots are set
            raise AttributeError(name)
        found = self._bound_to(name)
        if not isinstance(found, str):
            raise AttributeError(f"{name} has several paths: use each({name!r})")
        return self.root / found

    def _bound_to(self, name: str) -> str | MultiplePaths:
        """The path or paths of an artifact; AttributeError for an unknown name."""
        try:
            return self.bound[name]
        except KeyError:
            known = f"; expected one of {', '.join(self.bound)}" if self.bound else ""
            hint = did_you_mean(name, self.bound) or known
            raise AttributeError(f"the job has no {self.kind} {name!r}{hint}") from None

    def each(self, name: str) -> Iterator[tuple[Key, Path]]:
        """Pairs of key and path of an artifact; the key has the axes that the job does not fix."""
        found = self._bound_to(name)
        axes, texts = MultiplePaths((), {(): found}) if isinstance(found, str) else found
        make = _key_type(axes)
        for values, text in texts.items():
            yield make(values), self.root / text

    def all(self, name: str) -> Mapping[Key, Path]:
        """Paths of an artifact by key; the key has the axes that the job does not fix."""
        return dict(self.each(name))

    def at(self, name: str, **values: str | int) -> Path:
        """The path of an artifact for these values of the axes that the job does not fix; KeyError without such a
        path."""
        found = self._bound_to(name)
        axes, texts = MultiplePaths((), {(): found}) if isinstance(found, str) else found
        return self.root / texts[tuple(values[axis] for axis in axes)]

    def names(self, artifact: str) -> tuple[str, ...]:
        """Paths of an artifact, relative to the output folder."""
        found = self._bound_to(artifact)
        return (found,) if isinstance(found, str) else tuple(found.paths.values())

    def __contains__(self, name: object) -> bool:
        return name in self.bound


@dataclass(frozen=True)
class Resources:
    """Limits of threads and memory for a job. They must not change its result."""

    threads: int = 1
    memory: int = 256 << 20
    """Maximum bytes of the arrays of one block, intermediate results included."""
    block_shape: tuple[int, int] | None = None
    """Forced block shape, for tests; None computes it from ``memory``."""


@dataclass(frozen=True)
class JobContext(Generic[P_co]):
    """All arguments of a job's function: input paths, output paths, key, parameters, resources."""

    inp: Paths
    out: Paths
    key: Key
    """Values of the axes that the job fixes: ``key.tile``."""
    params: P_co
    use: Resources


class Finding(NamedTuple):
    """A problem of, or a remark on, the options and inputs of a step, found before the run."""

    text: str
    option: OptionPath = ()
    """The option concerned: section, key, and keys inside the value."""
    remark: Remark | None = None
    """The remark if the run may continue; None for a problem that stops the run."""

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


MAX_STEP_NAME = 100
"""Maximum number of characters of the name of a step."""


_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "run": ("job",),
    "params": ("config",),
    "when": ("config",),
    "cost": ("config", "facts"),
    "check": ("config", "facts"),
    "block_shape": ("config", "facts", "tile", "use"),
}
"""Arguments of the functions of a step."""


def _require_function(step: Step, name: str) -> None:
    """``ValueError`` unless a field of a step is a function that can be called with its arguments."""
    value, arguments = getattr(step, name), _ARGUMENTS[name]
    if not callable(value):
        raise ValueError(f"step {step.name}: {name} is {value!r}; expected a function")
    try:
        signature = inspect.signature(value)
    except ValueError:  # a function without a signature, such as some built-in ones
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        called = f"{getattr(value, '__name__', name)}{signature}"
        expected = f"expected {counted(len(arguments), 'argument')}: {', '.join(arguments)}"
        raise ValueError(f"step {step.name}: {name} is {called}; {expected}") from None


def _require_values(step: Step, name: str, kind: Any) -> None:
    """``ValueError`` unless a field of a step is a mapping from names of attributes to values of a type."""
    found = getattr(step, name)
    if not isinstance(found, Mapping):
        raise ValueError(f"step {step.name}: {name} is {found!r}; expected a dictionary of names and artifacts")
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, kind):
            raise ValueError(f"step {step.name}: {name} has {key!r}: {value!r}; expected a name and an artifact")
        if not key.isidentifier() or hasattr(Paths, key):
            raise ValueError(f"step {step.name}: {name} has {key!r}, which cannot be an attribute; choose another name")


@dataclass(frozen=True)
class Step(Generic[P, C]):
    """One step of a chain: a function that is executed once for each value of its axes."""

    name: str
    """Unique name of the step and of its log folder."""
    group: str
    about: str
    task: str
    """Pattern of job names: ``classification_{tile}_part_{part}``."""
    run: Callable[[JobContext[P]], None]
    over: tuple[str, ...]
    needs: Mapping[str, Artifact | Need]
    """Inputs, by their attribute names in ``JobContext.inp``."""
    makes: Mapping[str, Artifact]
    params: Callable[[C], P] = field(default=cast(Any, _no_parameters))
    """Parameters of the step, from the configuration. The function reads no other option."""
    when: Callable[[C], bool] = always
    version: int = 1
    """Raised when the same inputs and parameters give another result; jobs of another version run again."""
    source: str = ""
    """Files of the user's code that define the step; empty for a built-in step."""
    cost: Callable[[C, JobFacts], Cost] = field(default=default_cost)
    """Estimated resources of a job, computed before the run."""
    check: Callable[[C, Facts], Iterable[Finding]] = field(default=no_findings)
    """Problems and remarks on options and inputs, from file headers only. It is called for active steps, before the
    recipe and the classes are known."""
    block_shape: Callable[[C, Facts, str, Resources], tuple[int, int]] | None = None
    """Rows and columns of a job's blocks on a tile; None for steps that do not report them. Raises ConfigError if the
    smallest block exceeds the memory limit."""
    leaves_gap: bool = False
    """Whether a failed job leaves a gap in the map."""
    max_threads: int = 1
    """Number of threads up to which the function is faster. Its jobs get the cores of idle workers, as
    ``job.use.threads``."""

    def __post_init__(self) -> None:
        for name in ("name", "group", "task"):
            if not (isinstance(value := getattr(self, name), str) and value):
                raise ValueError(f"step {self.name}: {name} is {value!r}; expected a text")
        if len(self.name) > MAX_STEP_NAME:
            raise ValueError(f"step {self.name[:20]}…: the name has more than {MAX_STEP_NAME} characters")
        require_pattern("job name", self.task)
        if not isinstance(self.about, str):
            raise ValueError(f"step {self.name}: about is {self.about!r}; expected a text")
        for name in _ARGUMENTS:
            if name != "block_shape" or self.block_shape is not None:
                _require_function(self, name)
        if not isinstance(self.over, tuple) or not all(isinstance(axis, str) for axis in self.over):
            raise ValueError(f"step {self.name}: over is {self.over!r}; expected a tuple of axes, such as ('tile',)")
        if type(self.max_threads) is not int or self.max_threads < 1:
            raise ValueError(f"step {self.name}: max_threads is {self.max_threads!r}; expected a whole number ≥ 1")
        _require_values(self, "needs", Artifact | Need)
        _require_values(self, "makes", Artifact)

    def block_shape_of(self, config: C, facts: Facts, tile: str, use: Resources) -> tuple[int, int] | None:
        """Rows and columns of a job's blocks on a tile, or None; UserError if ``block_shape`` returns anything else."""
        found = self.block_shape(config, facts, tile, use) if self.block_shape is not None else None
        pair = isinstance(found, tuple) and [type(size) for size in found] == [int, int] and min(found) > 0
        if self.block_shape is not None and not pair:
            raise UserError(f"{self._named}: block_shape returned {found!r}; expected numbers of rows and columns")
        return found

    def cost_of(self, config: C, facts: JobFacts) -> Cost:
        """The estimated resources of a job; UserError if ``cost`` returns anything else."""
        found = self.cost(config, facts)
        if not isinstance(found, Cost):
            raise UserError(f"{self._named}: cost returned {found!r}; expected a Cost")
        for name in ("memory", "seconds", "disk", "uncompressed"):
            value = getattr(found, name)
            if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
                raise UserError(f"{self._named}: {name} of cost is {value!r}; expected a number from 0")
        return found

    def findings(self, config: C, facts: Facts) -> list[Finding]:
        """The problems and remarks of ``check``; UserError if it returns anything else."""
        found = self.check(config, facts)
        listed = list(found) if isinstance(found, Iterable) else [found]
        if wrong := [one for one in listed if not isinstance(one, Finding)]:
            raise UserError(f"{self._named}: check returned {wrong[0]!r}; expected values of type Finding")
        for one in listed:
            if not isinstance(one.text, str) or not isinstance(one.remark, Remark | None):
                raise UserError(f"{self._named}: check returned {one!r}; expected a text, and a Remark or None")
            if not isinstance(one.option, tuple):
                raise UserError(
                    f"{self._named}: check returned the option {one.option!r}; expected a tuple, such as "
                    "('chain', 'proj')"
                )
        return listed

    @property
    def _named(self) -> str:
        return f"{self.source}: step {self.name}" if self.source else f"step {self.name}"

    @property
    def all_needs(self) -> Mapping[str, Need]:
        """All inputs as ``Need``."""
        return {name: need if isinstance(need, Need) else Need((need,)) for name, need in self.needs.items()}
