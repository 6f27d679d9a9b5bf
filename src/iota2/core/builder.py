"""Builders: the chains of steps that a configuration can ask for, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal

from iota2.core.graph import Artifact, Step
from iota2.core.words import some

Ask = Literal["images", "regions", "reference", "classes"]
"""Images of the tiles, regions, reference polygons, and the names and colours of classes."""
AXES_OF: Mapping[Ask, tuple[str, ...]] = {
    "images": ("tile", "part", "sensor"),
    "regions": ("region",),
    "reference": ("seed",),
    "classes": (),
}
"""The axes of a run that each part of the outside world gives values to."""


@dataclass(frozen=True, eq=False)
class Builder:
    """A kind of product: the steps that make it, and what these need of the outside world.

    Raises ValueError for a builder that asks for no images, and for one with a step over an axis to which nothing that
    it asks for gives values.
    """

    name: str
    """Its name in ``builders.builders_class_name``."""
    about: str
    """One sentence: what it makes."""
    steps: tuple[Step, ...]
    """In the order of a run."""
    asks: frozenset[Ask]
    """What is read before anything runs."""
    aliases: tuple[str, ...] = ()
    """Other names that configurations give it."""
    letter: str = ""
    """Stands for it where options say which builders use them; empty: it may use every option."""
    options: tuple[str, ...] = ()
    """Options that it needs, such as ``chain.ground_truth``, beyond those that every run needs."""
    folders: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Folders that exist even when nothing is put into them, relative to the output folder; each with a sentence."""
    source: str = ""
    """The user's file that it was read from; empty for a builder of this program."""

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.asks) - set(AXES_OF)):
            raise ValueError(f"builder {self.name} asks for {some(unknown)}; expected any of {', '.join(AXES_OF)}")
        if "images" not in self.asks:
            raise ValueError(f"builder {self.name} asks for no images; expected 'images' in its asks")
        for step in self.steps:
            if missing := sorted(_axes(step) - set(self.axes)):
                text = f"step {step.name} needs the axis {missing[0]}, and nothing that the builder asks for has it"
                raise ValueError(f"builder {self.name}: {text}")

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes of its run."""
        return tuple(axis for ask, axes in AXES_OF.items() if ask in self.asks for axis in axes)

    @property
    def products(self) -> tuple[Artifact, ...]:
        """What its steps make for the user."""
        return Chain((self,)).products


def _axes(step: Step) -> set[str]:
    """The axes of a step and of its files."""
    read = (artifact for need in step.all_needs.values() for artifact in need.choices)
    return {*step.over, *(axis for artifact in (*read, *step.makes.values()) for axis in artifact.axes)}


@dataclass(frozen=True, eq=False)
class Chain:
    """The steps of one run: those of one builder, or of several as one plan.

    Builders share the steps that are the same. Raises ValueError when different steps have one name, in any case.
    """

    builders: tuple[Builder, ...]

    def __post_init__(self) -> None:
        names: dict[str, Step] = {}
        for step in self.steps:
            if names.setdefault(step.name.lower(), step) is not step:
                raise ValueError(f"{some([one.name for one in self.builders])} have different steps named {step.name}")

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps in the order of a run: by group, and within a group by builder."""
        steps = list({id(step): step for builder in self.builders for step in builder.steps}.values())
        groups = dict.fromkeys(step.group for builder in self.builders for step in builder.steps)
        return tuple(step for group in groups for step in steps if step.group == group)

    @cached_property
    def names(self) -> Mapping[int, str]:
        """Name of each step by its number, which is the same whatever a configuration makes active."""
        return {number: step.name for number, step in enumerate(self.steps, start=1)}

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Number of each step by its name."""
        return {name: number for number, name in self.names.items()}

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The groups of the steps, in the order of a run."""
        return tuple(dict.fromkeys(step.group for step in self.steps))

    @cached_property
    def asks(self) -> frozenset[Ask]:
        """What any of the builders asks for."""
        return frozenset(ask for builder in self.builders for ask in builder.asks)

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The axes of the run."""
        return tuple(axis for ask, axes in AXES_OF.items() if ask in self.asks for axis in axes)

    @cached_property
    def products(self) -> tuple[Artifact, ...]:
        """What the steps make for the user, in the order of the steps."""
        made = (artifact for step in self.steps for artifact in step.makes.values())
        return tuple(dict.fromkeys(artifact for artifact in made if artifact.role == "product"))

    @cached_property
    def folders(self) -> Mapping[str, str]:
        """Folders of any of the builders, with their sentences."""
        return {name: about for builder in self.builders for name, about in builder.folders.items()}
