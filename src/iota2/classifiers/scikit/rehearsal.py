"""Rehearsal of a training on synthetic samples: problems of an estimator that only its ``fit`` reports.

Scikit-learn checks single arguments when asked, but how arguments and nested estimators fit together (the lengths of
two lists, columns, an absent method) only while it fits.
"""

from __future__ import annotations

import io
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from iota2.classifiers.base import FitTransform, Misfit
from iota2.classifiers.samples import Samples
from iota2.classifiers.scikit import predictor_of, predictor_of_values
from iota2.classifiers.scikit.build import ARGUMENTS, SET_BY_THE_RUN, Method
from iota2.classifiers.scikit.specification import GRID, Specification
from iota2.classifiers.scikit.store import save_predictor
from iota2.classifiers.scikit.training import fitted, fitted_values, limited_threads, prepared
from iota2.core.random import generator
from iota2.core.words import assignments

FEATURES, CLASSES = 12, 3
"""Maximum numbers of features and classes of the first attempt."""
SAMPLES_PER_CLASS, PIXELS_PER_POLYGON = 20, 2
MORE_SAMPLES = 100
"""Samples of a class, in addition to as many as features, of later attempts."""
MAX_VALUES = 20_000_000
"""Maximum number of values of all samples of an attempt."""
MAX_SECONDS = 20.0
"""Time after which no further attempt begins: slow estimators are then not rehearsed completely."""
MANY_FEATURES, MANY_CLASSES = 1000, 50
"""Numbers of the last attempt if those of the run are unknown."""
AT_MOST: Mapping[str, int] = {
    "n_estimators": 3,
    "max_iter": 20,
    "cv": 3,
    "n_features_to_select": 5,
    "n_restarts_optimizer": 0,
    "max_samples": SAMPLES_PER_CLASS,
    "n_neighbors": SAMPLES_PER_CLASS // 2,
}
"""Maximum of integer arguments in a rehearsal: they take time, or depend on the number of samples."""


@dataclass(frozen=True)
class _Size:
    """Numbers of the samples of a rehearsal."""

    features: int
    classes: int
    per_class: int


@dataclass(frozen=True, eq=False)
class _Part:
    """An estimator of a configuration, by itself or inside others."""

    path: tuple[str | int, ...]
    """Keys from the arguments of the outermost estimator."""
    estimator: Any
    given: tuple[str, ...]
    """Names of the arguments that are not the default."""


def rehearse(
    specification: Specification,
    transforms: Sequence[FitTransform],
    *,
    features: int,
    classes: int,
    weighted: bool,
) -> list[Misfit]:
    """Problems of training an estimator and of storing it; empty without any.

    ``features`` and ``classes``: numbers in the run; ``features`` 0, and ``classes`` 0 or 1, if unknown. ``weighted``:
    whether samples have weights. Each value of a grid is tried, with the first value of all other parameters. A failure
    counts only if it also occurs with all features, more samples and all classes.
    """
    tried = specification.tried
    first = {name: values[0] for name, values in tried.items()}
    changes = [first, *({**first, name: value} for name, values in tried.items() for value in values[1:])]
    sizes = _sizes(features, classes)
    until = time.monotonic() + MAX_SECONDS
    problems = [
        _problem(specification, transforms, change, sizes, weighted=weighted, until=until) for change in changes
    ]
    return list(dict.fromkeys(one for one in problems if one is not None))


def _sizes(features: int, classes: int) -> list[_Size]:
    """Sizes of the attempts: a quick one, then with all features, with more samples, and with all classes.

    In the later ones a class has more samples than features, so that its covariance has full rank.
    """
    features = features if features > 0 else MANY_FEATURES
    known = [classes] if classes > 1 else [2, MANY_CLASSES]
    few = min(CLASSES, max(known))
    sizes = [(min(features, FEATURES), few, SAMPLES_PER_CLASS), (features, few, SAMPLES_PER_CLASS)]
    for count in (few, *known):
        most = max(SAMPLES_PER_CLASS, MAX_VALUES // (features * count))
        sizes.append((features, count, min(features + MORE_SAMPLES, most)))
    return [_Size(*size) for size in dict.fromkeys(sizes)]


def _problem(
    specification: Specification,
    transforms: Sequence[FitTransform],
    change: Mapping[str, Any],
    sizes: Sequence[_Size],
    *,
    weighted: bool,
    until: float,
) -> Misfit | None:
    """The problem of the estimator with changed parameters, at the last of ``sizes``; None if it succeeds at one.

    None as well if not all sizes can be tried ``until`` this time (of the monotonic clock).
    """
    problem = None
    for size in sizes:
        if time.monotonic() > until:
            return None
        estimator = specification.made().set_params(**change)
        parts = [*_parts(estimator, ())]
        try:
            with limited_threads(1), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                _train_and_store(_reduced(estimator), _samples(size, weighted), transforms, specification.method)
        except Exception as err:  # libraries raise errors of many types for arguments that do not fit together
            problem = _misfit(err, parts, change)
        else:
            return None
    return problem


def _parts(estimator: Any, path: tuple[str | int, ...]) -> Iterator[_Part]:
    """An estimator and all estimators inside it."""
    arguments = estimator.get_params(deep=False)
    defaults = {one.name: one.default for one in signature(type(estimator)).parameters.values()}
    given = (name for name, value in arguments.items() if repr(value) != repr(defaults.get(name)))
    yield _Part(path, estimator, tuple(name for name in given if name not in SET_BY_THE_RUN))
    for name, value in arguments.items():
        yield from _inside(value, (*path, name))


def _inside(value: Any, path: tuple[str | int, ...]) -> Iterator[_Part]:
    """All estimators in the value of an argument."""
    if hasattr(value, "get_params") and not isinstance(value, type):
        yield from _parts(value, path)
    elif isinstance(value, tuple) and value and isinstance(value[0], str):  # a name, and an estimator
        for item in value[1:]:
            yield from _inside(item, (*path, value[0]))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _inside(item, path if isinstance(item, tuple) else (*path, number))


def _reduced(estimator: Any) -> Any:
    """The estimator with fewer members, iterations and folds."""
    changed = {}
    for name, value in estimator.get_params(deep=True).items():
        most = AT_MOST.get(name.rpartition("__")[2])
        if most is not None and isinstance(value, int) and not isinstance(value, bool) and value > most:
            changed[name] = most
    return estimator.set_params(**changed)


def _samples(size: _Size, weighted: bool) -> Samples:
    """Samples of separate classes with positive values of some units, the same at each call."""
    y = np.repeat(np.arange(1, size.classes + 1), size.per_class)
    centre = 1 + (y[:, np.newaxis] + np.arange(size.features)) % size.classes
    x = (centre + generator(0, "rehearsal").uniform(-0.4, 0.4, centre.shape)).astype(np.float32)
    return Samples(x, y, np.ones(len(y)) if weighted else None, np.arange(len(y)) // PIXELS_PER_POLYGON)


def _train_and_store(estimator: Any, samples: Samples, transforms: Sequence[FitTransform], method: Method) -> None:
    """What training does with an estimator, except for its search."""
    x = samples.x
    for fit in transforms:
        x = fit(x).apply(x)
    ready, learned = prepared(estimator, 0, 1), replace(samples, x=x)
    if method == "classifier":
        found = predictor_of(fitted(ready, learned, generator(0)))
    else:
        found = predictor_of_values(fitted_values(ready, replace(learned, y=learned.y.astype(np.float64))))
    with tempfile.TemporaryDirectory() as folder:
        save_predictor(found, Path(folder))


def _misfit(err: Exception, parts: Sequence[_Part], change: Mapping[str, Any]) -> Misfit:
    """The problem that an error shows: the estimator that failed, and the arguments to correct."""
    failed = _failed(err, parts)
    said = " ".join(str(err).split()).rstrip(".") or type(err).__name__
    named = [name for name in failed.estimator.get_params(deep=False) if re.search(rf"(?<!\w){name}(?!\w)", said)]
    arguments = ", ".join(named or failed.given)
    remedy = f"Correct {arguments}" if arguments else "Choose another estimator, or change standardization"
    tried = f" with {assignments(change)}" if change else ""
    text = f"{type(failed.estimator).__name__}{tried} cannot be used: {said}. {remedy}"
    return Misfit((GRID,) if change else (ARGUMENTS, *failed.path), text)


def _failed(err: Exception, parts: Sequence[_Part]) -> _Part:
    """The innermost estimator in which an error was raised; the outermost if none is known.

    Estimators around others fit copies, which have the same type and arguments.
    """
    for frame in reversed([*_frames(err)]):
        running = frame.f_locals.get("self")
        for part in parts:
            if type(running) is type(part.estimator) and repr(running) == repr(part.estimator):
                return part
    return parts[0]


def _frames(err: Exception) -> Iterator[FrameType]:
    """Frames of the calls that led to an error, outermost first."""
    trace = err.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next
