"""Which artifacts a run makes, and which of them each step reads: what is wanted, and what this needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from iota2.core.graph import Artifact, Step


def made_artifacts(active: Sequence[Step], config: Any, given: Iterable[Artifact]) -> frozenset[Artifact]:
    """The artifacts that ``active`` steps make, and those that are ``given``.

    An artifact is made when the configuration asks for it or when an active step needs it. What is needed only for
    an output counts when that output is made, so the needs are followed until nothing comes to it.
    """
    makers = {artifact for step in active for artifact in step.makes.values()}
    made = {artifact for artifact in makers if artifact.when(config)}.union(given)
    while more := {artifact for step in active for artifact in _required(step, made)} & makers - made:
        made |= more
    return frozenset(made)


def _required(step: Step, made: Set[Artifact]) -> Iterable[Artifact]:
    """What an active step needs whether or not the configuration asks for it."""
    return (need.choices[0] for need in step.all_needs.values() if need.required and need.applies(made))


def read_by(step: Step, made: Set[Artifact]) -> Mapping[str, Artifact]:
    """The artifacts that a step reads, by name: of choices the first that is made.

    Raises ValueError when none of them is, and the step does not do without.
    """
    found = {}
    for name, need in step.all_needs.items():
        if not need.applies(made):
            continue
        chosen = next((artifact for artifact in need.choices if artifact in made), None)
        if chosen is not None:
            found[name] = chosen
        elif not need.dispensable:
            paths = " or ".join(artifact.path for artifact in need.choices)
            raise ValueError(f"{step.name}: nothing makes {paths}")
    return found


def made_by(step: Step, made: Set[Artifact]) -> Mapping[str, Artifact]:
    """The artifacts that a step makes in this run, by name."""
    return {name: artifact for name, artifact in step.makes.items() if artifact in made}
