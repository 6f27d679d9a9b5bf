"""Selection of the artifacts that a run makes and that each step reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from iota2.core.graph import Artifact, Step
from iota2.errors import UserError


def made_artifacts(active: Sequence[Step], config: Any, given: Iterable[Artifact]) -> frozenset[Artifact]:
    """The artifacts that ``active`` steps make, and those that are ``given``.

    An artifact is made if the configuration requests it or an active step needs it. A need of a single output applies
    only if that output is made, so the selection is repeated until no artifact is added.
    """
    makers = {artifact for step in active for artifact in step.makes.values()}
    made = {artifact for artifact in makers if artifact.when(config)}.union(given)
    while more := {artifact for step in active for artifact in _required(step, made)} & makers - made:
        made |= more
    return frozenset(made)


def _required(step: Step, made: Set[Artifact]) -> Iterable[Artifact]:
    """The required inputs of an active step."""
    return (need.choices[0] for need in step.all_needs.values() if need.required and need.applies(made))


def read_by(step: Step, made: Set[Artifact]) -> Mapping[str, Artifact]:
    """The artifacts that a step reads, by name; for alternatives, the first that is made.

    Raises ValueError if none is made and the input is not optional; UserError for a step of the user.
    """
    found = {}
    for name, need in step.all_needs.items():
        if not need.applies(made):
            continue
        chosen = next((artifact for artifact in need.choices if artifact in made), None)
        if chosen is not None:
            found[name] = chosen
        elif not need.may_be_absent:
            paths = " or ".join(artifact.path for artifact in need.choices)
            text = f"step {step.name}: no active step makes {paths}"
            raise UserError(f"{step.source}: {text}") if step.source else ValueError(text)
    return found


def made_by(step: Step, made: Set[Artifact]) -> Mapping[str, Artifact]:
    """The artifacts that a step makes in this run, by name."""
    return {name: artifact for name, artifact in step.makes.items() if artifact in made}
