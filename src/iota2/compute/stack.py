"""Stack machine that evaluates expressions of bands in chunks of pixels."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numba
import numpy as np

from iota2.core.recipe import MISSING

_CHUNK_PIXELS = 1024
"""Pixels per operation: enough to make the overhead of an operation negligible, few enough to keep the stack in the
processor's cache."""


class Op(IntEnum):
    """Operations of a program: first those that push a value, then those that replace one, two and three values."""

    BAND = 0
    NUMBER = 1

    NEGATE = 10
    NOT = 11
    ABS = 12
    SIGN = 13
    RINT = 14
    SQRT = 15
    EXP = 16
    LOG = 17
    LOG2 = 18
    LOG10 = 19
    SIN = 20
    COS = 21
    TAN = 22
    ASIN = 23
    ACOS = 24
    ATAN = 25
    SINH = 26
    COSH = 27
    TANH = 28
    ASINH = 29
    ACOSH = 30
    ATANH = 31

    ADD = 50
    SUBTRACT = 51
    MULTIPLY = 52
    DIVIDE = 53
    POWER = 54
    MIN = 55
    MAX = 56
    ATAN2 = 57
    NDVI = 58
    LESS = 59
    LESS_EQUAL = 60
    GREATER = 61
    GREATER_EQUAL = 62
    EQUAL = 63
    UNEQUAL = 64
    AND = 65
    OR = 66

    CHOOSE = 90

    @property
    def takes(self) -> int:
        """Number of values taken from the stack; one value is pushed."""
        return sum(self >= first for first in (Op.NEGATE, Op.ADD, Op.CHOOSE))


class Program(NamedTuple):
    """Operations in order of execution; the last value on the stack is the result."""

    codes: np.ndarray
    """(operation,) int64: members of ``Op``."""
    operands: np.ndarray
    """(operation,) int64: index of the band or number."""
    numbers: np.ndarray
    """(number,) float64."""
    depth: int
    """Maximum number of values on the stack."""


def evaluate(program: Program, values: np.ndarray, out: np.ndarray) -> None:
    """Write the result for each date and pixel to ``out`` (date, pixel) float32; ``values`` are (date, band, pixel).

    Computed in double precision. An operation without a finite result (division by zero, root of a negative number,
    overflow) gives NaN. NaN propagates, except from operands that ``?``, ``&&`` and ``||`` do not need. A final result
    that is NaN or exceeds the range of float32 becomes ``MISSING``.
    """
    _evaluate(program, values, np.float32(MISSING), out)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _evaluate(program: Program, values: np.ndarray, missing: np.float32, out: np.ndarray) -> None:
    stack = np.empty((program.depth, min(_CHUNK_PIXELS, out.shape[1])))
    for date in range(len(out)):
        for start in range(0, out.shape[1], _CHUNK_PIXELS):
            result = out[date, start : start + _CHUNK_PIXELS]
            size, top = len(result), -1
            for step in range(len(program.codes)):
                code, operand = program.codes[step], program.operands[step]
                if code == Op.BAND:
                    top += 1
                    _copy(values[date, operand, start : start + size], stack[top, :size])
                elif code == Op.NUMBER:
                    top += 1
                    stack[top, :size] = program.numbers[operand]
                elif code < Op.ADD:
                    _replace_one(code, stack[top, :size])
                elif code < Op.CHOOSE:
                    top -= 1
                    _replace_two(code, stack[top, :size], stack[top + 1, :size])
                else:
                    top -= 2
                    _choose(stack[top, :size], stack[top + 1, :size], stack[top + 2, :size])
            for p in range(size):
                value = np.float32(stack[0, p])
                result[p] = value if np.isfinite(value) else missing


@numba.njit(nogil=True, cache=True)
def _copy(band: np.ndarray, to: np.ndarray) -> None:
    for p in range(len(to)):
        to[p] = _finite(band[p])


@numba.njit(nogil=True, cache=True)
def _finite(value: float) -> float:
    """The value; NaN for an infinite value."""
    return value if np.isfinite(value) else np.nan


@numba.njit(nogil=True, cache=True)
def _truth(value: bool, a: float, b: float) -> float:
    """1 for true and 0 for false; NaN if an operand is NaN."""
    if np.isnan(a) or np.isnan(b):
        return np.nan
    return 1.0 if value else 0.0


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _replace_one(code: int, a: np.ndarray) -> None:  # noqa: PLR0912 - a table of cases
    """Replace ``a`` by the result of a unary operation."""
    n = len(a)
    if code == Op.NEGATE:
        for p in range(n):
            a[p] = -a[p]
    elif code == Op.NOT:
        for p in range(n):
            a[p] = _truth(a[p] == 0, a[p], a[p])
    elif code == Op.ABS:
        for p in range(n):
            a[p] = abs(a[p])
    elif code == Op.SIGN:
        for p in range(n):
            a[p] = np.sign(a[p])
    elif code == Op.RINT:
        for p in range(n):
            a[p] = np.rint(a[p])
    elif code == Op.SQRT:
        for p in range(n):
            a[p] = np.sqrt(a[p])
    elif code == Op.EXP:
        for p in range(n):
            a[p] = _finite(np.exp(a[p]))
    elif code == Op.LOG:
        for p in range(n):
            a[p] = _finite(np.log(a[p]))
    elif code == Op.LOG2:
        for p in range(n):
            a[p] = _finite(np.log2(a[p]))
    elif code == Op.LOG10:
        for p in range(n):
            a[p] = _finite(np.log10(a[p]))
    elif code == Op.SIN:
        for p in range(n):
            a[p] = np.sin(a[p])
    elif code == Op.COS:
        for p in range(n):
            a[p] = np.cos(a[p])
    elif code == Op.TAN:
        for p in range(n):
            a[p] = np.tan(a[p])
    elif code == Op.ASIN:
        for p in range(n):
            a[p] = np.arcsin(a[p])
    elif code == Op.ACOS:
        for p in range(n):
            a[p] = np.arccos(a[p])
    elif code == Op.ATAN:
        for p in range(n):
            a[p] = np.arctan(a[p])
    elif code == Op.SINH:
        for p in range(n):
            a[p] = _finite(np.sinh(a[p]))
    elif code == Op.COSH:
        for p in range(n):
            a[p] = _finite(np.cosh(a[p]))
    elif code == Op.TANH:
        for p in range(n):
            a[p] = np.tanh(a[p])
    elif code == Op.ASINH:
        for p in range(n):
            a[p] = np.arcsinh(a[p])
    elif code == Op.ACOSH:
        for p in range(n):
            a[p] = np.arccosh(a[p])
    elif code == Op.ATANH:
        for p in range(n):
            a[p] = _finite(np.arctanh(a[p]))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _replace_two(code: int, a: np.ndarray, b: np.ndarray) -> None:  # noqa: PLR0912 - a table of cases
    """Replace ``a`` by the result of a binary operation on ``a`` and ``b``."""
    n = len(a)
    if code == Op.ADD:
        for p in range(n):
            a[p] = _finite(a[p] + b[p])
    elif code == Op.SUBTRACT:
        for p in range(n):
            a[p] = _finite(a[p] - b[p])
    elif code == Op.MULTIPLY:
        for p in range(n):
            a[p] = _finite(a[p] * b[p])
    elif code == Op.DIVIDE:
        for p in range(n):
            a[p] = _finite(a[p] / b[p])
    elif code == Op.POWER:
        for p in range(n):
            known = not (np.isnan(a[p]) or np.isnan(b[p]))  # NaN to the power of 0 would be 1
            power = a[p] * a[p] if b[p] == 2.0 else a[p] ** b[p]
            a[p] = _finite(power) if known else np.nan
    elif code == Op.MIN:
        for p in range(n):
            a[p] = np.minimum(a[p], b[p])
    elif code == Op.MAX:
        for p in range(n):
            a[p] = np.maximum(a[p], b[p])
    elif code == Op.ATAN2:
        for p in range(n):
            a[p] = np.arctan2(a[p], b[p])
    elif code == Op.NDVI:
        for p in range(n):
            a[p] = _finite((b[p] - a[p]) / (b[p] + a[p]))
    elif code == Op.LESS:
        for p in range(n):
            a[p] = _truth(a[p] < b[p], a[p], b[p])
    elif code == Op.LESS_EQUAL:
        for p in range(n):
            a[p] = _truth(a[p] <= b[p], a[p], b[p])
    elif code == Op.GREATER:
        for p in range(n):
            a[p] = _truth(a[p] > b[p], a[p], b[p])
    elif code == Op.GREATER_EQUAL:
        for p in range(n):
            a[p] = _truth(a[p] >= b[p], a[p], b[p])
    elif code == Op.EQUAL:
        for p in range(n):
            a[p] = _truth(a[p] == b[p], a[p], b[p])
    elif code == Op.UNEQUAL:
        for p in range(n):
            a[p] = _truth(a[p] != b[p], a[p], b[p])
    elif code == Op.AND:
        for p in range(n):
            a[p] = 0.0 if a[p] == 0 else _truth(b[p] != 0, a[p], b[p])
    elif code == Op.OR:
        for p in range(n):
            a[p] = 1.0 if a[p] != 0 and not np.isnan(a[p]) else _truth(b[p] != 0, a[p], b[p])


@numba.njit(nogil=True, cache=True)
def _choose(a: np.ndarray, yes: np.ndarray, no: np.ndarray) -> None:
    """Replace ``a`` by ``yes`` where it is true, by ``no`` where it is false; NaN is unchanged."""
    for p in range(len(a)):
        if not np.isnan(a[p]):
            a[p] = yes[p] if a[p] != 0 else no[p]
