"""Fewer stages with the same outputs: nested chains become one, and adjacent linear stages are multiplied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from iota2.compute.predictors.kernels import add_products
from iota2.compute.predictors.simple import Affine, Linear
from iota2.compute.predictors.stage import Chain, Concatenation, Mean, Stage


def fused(stage: Stage) -> Stage:
    """A stage with the outputs of ``stage``, up to rounding, computed by fewer products.

    A standardisation and a projection before linear scores, for example, become one set of weights per class.
    """
    if isinstance(stage, Concatenation | Mean):
        return replace(stage, members=tuple(fused(member) for member in stage.members))
    if not isinstance(stage, Chain):
        return stage
    kept: list[Stage] = []
    for part in _flat(stage):
        following = part
        while kept and (product := _product(kept[-1], following)) is not None:
            kept.pop()
            following = product
        kept.append(following)
    return kept[0] if len(kept) == 1 else Chain(tuple(kept))


def _flat(chain: Chain) -> Iterator[Stage]:
    """The stages of a chain and of the chains inside, each fused."""
    for part in chain.stages:
        found = fused(part)
        if isinstance(found, Chain):
            yield from found.stages
        else:
            yield found


def _product(first: Stage, second: Stage) -> Stage | None:
    """One stage for two in sequence; None if they are not linear, or one stage needs more products than two."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _linear_product(first, second)


def _linear_product(first: Stage, second: Stage) -> Stage | None:
    if isinstance(first, Affine) and isinstance(second, Affine):
        return _valid(Affine, first.factor * second.factor, first.offset * second.factor + second.offset)
    if isinstance(first, Affine) and isinstance(second, Linear):
        return _valid(Linear, second.weights * first.factor, _times(second.weights, first.offset) + second.intercept)
    if isinstance(first, Linear) and isinstance(second, Affine):
        weights = first.weights * second.factor[:, None]
        return _valid(Linear, weights, first.intercept * second.factor + second.offset)
    if isinstance(first, Linear) and isinstance(second, Linear):
        if second.n_outputs * first.n_features > first.weights.size + second.weights.size:
            return None
        weights = np.zeros((second.n_outputs, first.n_features))
        add_products(first.weights, second.weights, weights)
        return _valid(Linear, weights, _times(second.weights, first.intercept) + second.intercept)
    return None


def _times(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Product of a matrix and a vector, with the terms in order, whatever the threads."""
    result = np.zeros((len(weights), 1))
    add_products(np.ascontiguousarray(values[:, None]), weights, result)
    return result[:, 0]


def _valid(kind: type[Affine | Linear], *arrays: np.ndarray) -> Stage | None:
    """The stage; None if a product is too large for a number."""
    return kind(*arrays) if all(np.isfinite(array).all() for array in arrays) else None
