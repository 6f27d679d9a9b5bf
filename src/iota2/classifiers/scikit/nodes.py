"""Predictors as trees of plain values and named arrays, and back.

A stage becomes an object with its class name under ``stage`` and its fields; an array becomes ``{"array": name}``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

import numpy as np

from iota2.classifiers.scikit.library import LibraryStage
from iota2.compute.predictors.gaussians import Gaussians, IndependentGaussians
from iota2.compute.predictors.nearest import Neighbours, NeighboursWithin, Samples
from iota2.compute.predictors.simple import (
    Affine,
    Elementwise,
    Limits,
    Linear,
    Link,
    Moments,
    Steps,
    Threshold,
    UnitNorm,
)
from iota2.compute.predictors.stage import (
    Chain,
    Columns,
    Concatenation,
    Constant,
    Mean,
    Placement,
    Stage,
)
from iota2.compute.predictors.trees import Trees, TreeScores
from iota2.compute.predictors.vectors import Kernel, KernelValues, PairVotes, SupportVectors
from iota2.compute.trees import Forest

KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(Affine, Chain, Columns, Concatenation, Constant, Elementwise, Forest, Gaussians, IndependentGaussians),
        *(
            Kernel,
            KernelValues,
            LibraryStage,
            Limits,
            Linear,
            Link,
            Mean,
            Moments,
            Neighbours,
            NeighboursWithin,
            PairVotes,
        ),
        *(Placement, Samples, Steps, SupportVectors, Threshold, Trees, TreeScores, UnitNorm),
    )
}
"""Classes of which a stored predictor consists."""
MAX_DEPTH = 60
"""Maximum depth of nested stages."""

Keep = Callable[[Any], str]
"""Function that stores an estimator of scikit-learn and returns the name of its file."""
Fetch = Callable[[str], Any]
"""Function that returns the estimator of a file."""


def to_nodes(value: Any, arrays: dict[str, np.ndarray], keep: Keep) -> Any:
    """Plain values of a stage; its arrays are added to ``arrays``."""
    if isinstance(value, np.ndarray):
        name = f"{len(arrays):05d}"
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name}
    if isinstance(value, tuple):
        return [to_nodes(member, arrays, keep) for member in value]
    if is_dataclass(value):
        content = {field.name: getattr(value, field.name) for field in fields(value)}
        if isinstance(value, LibraryStage):
            content["estimator"] = keep(value.estimator)
        return {
            "stage": type(value).__name__,
            **{name: to_nodes(part, arrays, keep) for name, part in content.items()},
        }
    return value


def from_nodes(node: Any, arrays: dict[str, np.ndarray], fetch: Fetch, depth: int = 0) -> Any:
    """The object of a node; ``ValueError`` if it is not one of ``to_nodes``, or its values are inconsistent.

    Arrays are removed from ``arrays``, so that those left over belong to no stage.
    """
    if depth > MAX_DEPTH:
        raise ValueError("too many nested stages")
    kind = KINDS.get(str(node.get("stage"))) if isinstance(node, dict) else None
    if kind is None:
        raise ValueError(f"a stage is {str(node)[:60]!r}")
    types = _field_types(kind)
    if set(node) != {"stage", *types}:
        raise ValueError(f"{kind.__name__} has the fields {sorted(node)}")
    values = {name: _value(node[name], types[name], arrays, fetch, depth) for name in types}
    return kind(**values)


def _value(node: Any, kind: Any, arrays: dict[str, np.ndarray], fetch: Fetch, depth: int) -> Any:
    """The value of a field of type ``kind``."""
    if kind is np.ndarray:
        if not isinstance(node, dict) or set(node) != {"array"} or node["array"] not in arrays:
            raise ValueError(f"an array is {str(node)[:60]!r}")
        return arrays.pop(node["array"])
    if kind == tuple[Stage, ...]:
        if not isinstance(node, list):
            raise ValueError(f"stages are {str(node)[:60]!r}")
        return tuple(_stage(member, arrays, fetch, depth) for member in node)
    if kind is Stage:
        return _stage(node, arrays, fetch, depth)
    if kind in (Forest, Kernel, Samples):
        return from_nodes(node, arrays, fetch, depth + 1)
    if kind is Any:
        return fetch(str(node))
    if kind is float and type(node) is int:
        node = float(node)
    if type(node) is not kind:
        raise ValueError(f"{str(node)[:60]!r} is not {kind.__name__}")
    return node


def _stage(node: Any, arrays: dict[str, np.ndarray], fetch: Fetch, depth: int) -> Stage:
    found = from_nodes(node, arrays, fetch, depth + 1)
    if not hasattr(found, "apply"):
        raise ValueError(f"{type(found).__name__} is not a stage")
    return found


@cache
def _field_types(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
