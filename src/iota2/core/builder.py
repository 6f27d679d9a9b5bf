"""Builders: chains of steps that a configuration can select."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal, get_args

from iota2.core.graph import Artifact, Step
from iota2.core.words import some

Group = Literal[
    "init",
    "sampling",
    "features",
    "dimred",
    "learning",
    "classification",
    "mosaic",
    "validation",
    "regularisation",
    "crown",
    "mosaictiles",
    "vectorisation",
    "simplification",
    "smoothing",
    "clipvectors",
    "lcstatistics",
]
GROUPS: tuple[str, ...] = get_args(Group)
"""Groups of steps of built-in builders, in the order of a run."""
Ask = Literal["images", "grid", "regions", "reference", "classes", "quantity", "map"]
"""Kinds of input data: images of the tiles, a grid of tiles with rasters to be cut, regions, reference polygons, names
and colours of classes, values of a quantity, instead of classes, in the reference polygons, and a map that becomes
polygons, made by the run or given by the user."""
TILE_SOURCES: tuple[Ask, ...] = ("images", "grid")
"""Kinds of input data that define the tiles; a run has at most one of them."""
AREA_SOURCES: tuple[Ask, ...] = (*TILE_SOURCES, "map")
"""Kinds of input data that define the area of a run; a builder has at least one of them."""
AXES_OF: Mapping[Ask, tuple[str, ...]] = {
    "images": ("tile", "part", "strip", "sensor"),
    "grid": ("tile", "raster"),
    "regions": ("region", "submodel", "source"),
    "reference": ("seed",),
    "classes": (),
    "map": ("square", "area"),
    "quantity": (),
}
"""Axes of a run whose values come from each kind of input data."""
OPTIONS_OF: Mapping[Ask, tuple[str, ...]] = {
    "images": ("chain.list_tile", "chain.proj"),
    "grid": ("chain.features_path",),
    "regions": (),
    "reference": ("chain.ground_truth", "chain.data_field"),
    "classes": ("chain.nomenclature_path", "chain.color_table"),
    "map": (),
    "quantity": (),
}
"""Mandatory options of each kind of input data."""


@dataclass(frozen=True, eq=False)
class Builder:
    """A chain of steps, with the input data that they need.

    Raises ValueError unless ``asks`` has one of ``AREA_SOURCES`` and at most one of ``TILE_SOURCES``, and if no input
    in ``asks`` provides an axis of a step.
    """

    name: str
    """Name in the option ``builders.builders_class_name``."""
    about: str
    """Description of its products, one sentence."""
    steps: tuple[Step, ...]
    """Steps in the order of execution."""
    asks: frozenset[Ask]
    """Input data that the survey reads before the first job."""
    aliases: tuple[str, ...] = ()
    """Other names that configurations may use."""
    letter: str = ""
    """Letter of the builder in the lists of options by builder; empty if the builder may use every option."""
    options: tuple[str, ...] = ()
    """Options that a configuration must give, beyond those of every run and of its input data."""
    folders: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Folders that are always created, relative to the output folder, with descriptions."""
    source: str = ""
    """Python file of a user-defined builder; empty for a built-in builder."""

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.strip()):
            raise ValueError(f"a builder has the name {self.name!r}; expected a text")
        if not isinstance(self.about, str):
            raise ValueError(f"builder {self.name}: about is {self.about!r}; expected a text")
        for name in ("aliases", "options"):
            found = getattr(self, name)
            if not isinstance(found, tuple) or not all(isinstance(one, str) for one in found):
                raise ValueError(f"builder {self.name}: {name} is {found!r}; expected a tuple of texts")
        if isinstance(self.asks, str) or not isinstance(self.asks, Set):
            text = f"asks is {self.asks!r}; expected a set, such as frozenset({{'images'}})"
            raise ValueError(f"builder {self.name}: {text}")
        texts = isinstance(self.folders, Mapping) and all(
            isinstance(one, str) and "\0" not in one for pair in self.folders.items() for one in pair
        )
        if not texts:
            raise ValueError(f"builder {self.name}: folders is {self.folders!r}; expected folders with descriptions")
        if not (isinstance(self.steps, tuple) and all(isinstance(step, Step) for step in self.steps)):
            raise ValueError(f"builder {self.name}: steps must be a tuple of Step, such as recipe.STEP")
        numbers = [id(step) for step in self.steps]
        if repeated := [step.name for step in self.steps if numbers.count(id(step)) > 1]:
            raise ValueError(f"builder {self.name}: step {repeated[0]} is listed more than once in steps; list it once")
        if unknown := sorted(set(self.asks) - set(AXES_OF)):
            raise ValueError(f"builder {self.name} asks for {some(unknown)}; expected any of {', '.join(AXES_OF)}")
        if len(set(self.asks).intersection(TILE_SOURCES)) > 1 or not set(self.asks).intersection(AREA_SOURCES):
            text = "expected one of 'images' and 'grid' in asks, which define the tiles, or 'map'"
            raise ValueError(f"builder {self.name}: {text}; got {', '.join(sorted(self.asks)) or 'none'}")
        for step in self.steps:
            if missing := sorted(_axes(step) - set(self.axes)):
                text = f"step {step.name} needs the axis {missing[0]}, which no input in asks provides"
                raise ValueError(f"builder {self.name}: {text}")

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of its runs."""
        return tuple(axis for ask, axes in AXES_OF.items() if ask in self.asks for axis in axes)

    @property
    def mandatory(self) -> frozenset[str]:
        """All options that a configuration must give, beyond those of every run."""
        return frozenset((*self.options, *(option for ask in self.asks for option in OPTIONS_OF[ask])))

    @property
    def products(self) -> tuple[Artifact, ...]:
        """Products of its steps."""
        return Chain((self,)).products


def filled(folders: Mapping[str, str], steps: Iterable[Step]) -> dict[str, str]:
    """The ``folders`` in which a file of one of the ``steps`` may be, also in a subfolder."""
    paths = [artifact.path for step in steps for artifact in step.makes.values()]
    return {name: about for name, about in folders.items() if any(path.startswith(f"{name}/") for path in paths)}


def _axes(step: Step) -> set[str]:
    """Axes of a step, of its outputs, and of its inputs, without those that only other builders of a run may make."""
    needs = (need for need in step.all_needs.values() if not need.may_be_absent)
    read = (artifact for need in needs for artifact in need.choices)
    return {*step.over, *(axis for artifact in (*read, *step.makes.values()) for axis in artifact.axes)}


@dataclass(frozen=True, eq=False)
class Chain:
    """The steps of one run, from one or several builders.

    A step of several builders is executed once. Raises ValueError if different steps have the same name, ignoring case.
    """

    builders: tuple[Builder, ...]

    def __post_init__(self) -> None:
        names: dict[str, Step] = {}
        for step in self.steps:
            if (other := names.setdefault(step.name.lower(), step)) is not step:
                raise ValueError(self._two_named(other, step))

    def _two_named(self, one: Step, other: Step) -> str:
        """Message on two steps of the same name, ignoring case."""
        names = " and ".join(dict.fromkeys((one.name, other.name)))
        owners = [builder for step in (one, other) for builder in self.builders if id(step) in map(id, builder.steps)]
        places = dict.fromkeys(f"builder {owner.name} ({owner.source or 'built in'})" for owner in owners)
        where = f"both in {next(iter(places))}" if len(places) == 1 else f"in {' and in '.join(places)}"
        return f"two different steps are named {names}, {where}; rename one of them"

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps in the order of execution: by group, and by builder within a group."""
        steps = list({id(step): step for builder in self.builders for step in builder.steps}.values())
        return tuple(step for group in self.order for step in steps if step.group == group)

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All groups: those of ``GROUPS``, and each other group after the one before it in its builder."""
        order = list(GROUPS)
        for builder in self.builders:
            place = 0
            for step in builder.steps:
                if step.group not in order:
                    order.insert(place, step.group)
                place = order.index(step.group) + 1
        return tuple(order)

    @cached_property
    def names(self) -> Mapping[int, str]:
        """Names of all steps by number. Inactive steps are numbered too."""
        return {number: step.name for number, step in enumerate(self.steps, start=1)}

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Numbers of all steps by name."""
        return {name: number for number, name in self.names.items()}

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups of steps, in the order of execution."""
        return tuple(dict.fromkeys(step.group for step in self.steps))

    @cached_property
    def asks(self) -> frozenset[Ask]:
        """Input data of all builders."""
        return frozenset(ask for builder in self.builders for ask in builder.asks)

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The axes of the run."""
        return tuple(axis for ask, axes in AXES_OF.items() if ask in self.asks for axis in axes)

    @cached_property
    def products(self) -> tuple[Artifact, ...]:
        """Products, in the order of the steps."""
        made = (artifact for step in self.steps for artifact in step.makes.values())
        return tuple(dict.fromkeys(artifact for artifact in made if artifact.role == "product"))

    @cached_property
    def folders(self) -> Mapping[str, str]:
        """Folders that are always created, with descriptions."""
        return {name: about for builder in self.builders for name, about in builder.folders.items()}
