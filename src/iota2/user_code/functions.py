"""Features of the user's functions on blocks of pixels."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from iota2.core.cube import Cube
from iota2.core.recipe import MISSING, FeatureRecipe
from iota2.core.user_features import UserFeatures, UserFunction
from iota2.core.words import counted
from iota2.user_code.data import UserData, user_data
from iota2.user_code.datasets import dataset_of, takes_dataset
from iota2.user_code.loading import Function, UserCodeError, UserFile, is_interrupt
from iota2.user_code.results import Result, result_of

log = logging.getLogger(__name__)
_ARGUMENTS = "Its first argument must be the data (self, or a Dataset), the others those of external_features.functions"


@dataclass(eq=False)
class UserCode:
    """The functions of a recipe, loaded when they are first called: their features follow those of the sensors."""

    recipe: FeatureRecipe
    not_finite: dict[str, int] = field(default_factory=dict, init=False)
    """Number of results so far that were not finite in pixels with a clear date, by function."""

    @cached_property
    def _user(self) -> UserFeatures:
        assert self.recipe.user is not None, "the recipe has functions of the user"
        return self.recipe.user

    @cached_property
    def _functions(self) -> Mapping[str, Function]:
        file = UserFile(self._user.file, self._user.source)
        # If one of them ends the process, this is the last line of the log.
        log.info("calls functions of %s: %s", file.name, ", ".join(one.name for one in self._user.functions))
        return {one.name: file.function(one.name) for one in self._user.functions}

    def values(self, cubes: Mapping[str, Cube], of_whole_tiles: np.ndarray | None = None) -> np.ndarray | None:
        """(feature, y, x) float32: the features of all functions on a block, or None without functions.

        ``cubes`` as for ``feature_block``, which takes the result. ``of_whole_tiles`` (feature, y, x): the features of
        functions that need the whole tile; they are called if it is None, so that the block must be the whole tile.
        See ``values_of``.
        """
        if self.recipe.user is None:
            return None
        if of_whole_tiles is not None and all(one.whole_tile for one in self._user.functions):
            return of_whole_tiles
        shape = next(iter(cubes.values())).block_shape
        return self.values_of(user_data(cubes, self.recipe), shape, of_whole_tiles)

    def values_of(self, data: UserData, shape: tuple[int, int], of_whole_tiles: np.ndarray | None = None) -> np.ndarray:
        """(feature, y, x) float32: the features of all functions, from the series of an area of this shape.

        Results that are not finite become ``no_data``. In pixels without a clear date of a sensor that a function
        reads, its features are 0, as those of the sensor, ``MISSING`` if the recipe allows missing sensors, and NaN if
        it is ``partial``. UserCodeError for an error of a function, with the line, and for labels that differ from
        those of the recipe.
        """
        out = np.empty((len(self._user.names), *shape), np.float32)
        first = known = 0
        for function in self._user.functions:
            target = out[first : first + len(function.labels)]
            first += len(function.labels)
            if function.whole_tile and of_whole_tiles is not None:
                target[:] = of_whole_tiles[known : known + len(function.labels)]
                known += len(function.labels)
                continue
            clear = _clear(data, function, shape)
            if clear.any():
                target[:] = self._called(function, data).values
                self._replace_not_finite(function, target, clear)
            target[:, ~clear] = self._without_data
        return out

    def log_not_finite(self) -> None:
        """Log the numbers of results that were not finite."""
        for name, count in self.not_finite.items():
            log.warning("%s: %d values are NaN or infinite; they become %g", name, count, self._user.no_data)

    @property
    def _without_data(self) -> float:
        """Value of the features where a sensor has no clear date."""
        if self.recipe.partial:
            return np.nan
        return MISSING if self.recipe.allow_missing else 0.0

    def _called(self, function: UserFunction, data: UserData) -> Result:
        result = called(self._functions[function.name], function, data, self._user)
        if result.labels != function.labels:
            raise UserCodeError(
                f"{function.name} in {self._user.file}: returned the labels {_shown(result.labels)}; expected those of "
                f"its first call, {_shown(function.labels)}. The labels must not depend on the pixels"
            )
        return result

    def _replace_not_finite(self, function: UserFunction, target: np.ndarray, clear: np.ndarray) -> None:
        wrong = ~np.isfinite(target)
        if count := int(np.count_nonzero(wrong[:, clear])):
            self.not_finite[function.name] = self.not_finite.get(function.name, 0) + count
        target[wrong] = self._user.no_data


def called(function: Function, given: UserFunction, data: UserData, user: UserFeatures) -> Result:
    """The result of one call. UserCodeError, with function, file and line, if it fails or the result is not valid."""
    where = f"{given.name} in {user.file}"
    series = next(iter(data.series.values()))
    argument = dataset_of(data, user.access) if takes_dataset(function) else data
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            returned = function(argument, **given.arguments)
        sys.stdout.flush()  # ends the line for those who count lines
    except BaseException as error:
        if is_interrupt(error):
            raise
        if isinstance(error, TypeError) and error.__traceback__ is not None and error.__traceback__.tb_next is None:
            raise UserCodeError(f"{where}{_line(function)} cannot be called: {error}. {_ARGUMENTS}") from None
        raise UserCodeError(f"{given.name} failed: {UserFile(user.file, user.source).explained(error)}") from error
    try:
        return result_of(returned, given.number, series.shape, series.margins)
    except UserCodeError as error:
        raise UserCodeError(f"{where} {error}") from None


def _line(function: Function) -> str:
    """The line of the definition of a function, for messages; empty if it is unknown."""
    code = getattr(function, "__code__", None)
    return f", line {code.co_firstlineno}," if code else ""


def _clear(data: UserData, function: UserFunction, shape: tuple[int, int]) -> np.ndarray:
    """(y, x) bool: pixels with a clear date of every sensor that a function reads."""
    clear = np.ones(shape, bool)
    for name in function.sensors:
        series = data.series.get(name)
        clear &= False if series is None else series.clear
    return clear


def _shown(labels: tuple[str, ...]) -> str:
    return f"{', '.join(labels[:3])}{' …' if len(labels) > 3 else ''} ({counted(len(labels), 'label')})"
