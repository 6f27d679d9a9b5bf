"""Operations of expressions, compared with scalar arithmetic pixel by pixel."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.expressions import FUNCTIONS, compile_expression
from iota2.compute.stack import evaluate
from iota2.core.recipe import MISSING

BANDS = ("red", "nir", "swir")


def computed(text: str, *bands: list[float] | np.ndarray) -> np.ndarray:
    """The result for one date with the given values of the bands."""
    values = np.array([bands], np.float32)
    out = np.full((1, values.shape[2]), np.nan, np.float32)
    evaluate(compile_expression(text, BANDS[: len(bands)]), values, out)
    return out[0]


# ---------------------------------------------------------------------------------- random expressions, pixel by pixel

Value = float | None
"""A number, or None for a missing value."""


@dataclass(frozen=True)
class Drawn:
    """An expression as text, and as a function of the bands of one pixel."""

    text: str
    of: Callable[[list[float]], Value]


def strict(function: Callable[..., float]) -> Callable[..., Value]:
    """The function, with None if an operand is None or the result is not finite."""

    def of(*operands: Value) -> Value:
        if None in operands:
            return None
        try:
            result = float(function(*operands))
        except (ZeroDivisionError, ValueError):
            return None
        return result if math.isfinite(result) else None

    return of


TWO = {
    "+": strict(lambda a, b: a + b),
    "-": strict(lambda a, b: a - b),
    "*": strict(lambda a, b: a * b),
    "/": strict(lambda a, b: a / b),
    "<": strict(lambda a, b: a < b),
    "<=": strict(lambda a, b: a <= b),
    ">": strict(lambda a, b: a > b),
    ">=": strict(lambda a, b: a >= b),
    "==": strict(lambda a, b: a == b),
    "!=": strict(lambda a, b: a != b),
    "&&": lambda a, b: 0.0 if a == 0 else strict(lambda _, b: b != 0)(a, b),
    "||": lambda a, b: 1.0 if a not in (0, None) else strict(lambda _, b: b != 0)(a, b),
}
ONE = {
    "-": strict(lambda a: -a),
    "!": strict(lambda a: a == 0),
    "abs": strict(abs),
    "sqrt": strict(math.sqrt),
    "rint": strict(round),
    "sign": strict(lambda a: (a > 0) - (a < 0)),
}
MANY = {
    "min": strict(lambda *all_: min(all_)),
    "max": strict(lambda *all_: max(all_)),
    "sum": strict(lambda a, b, c: a + (b + c)),
    "avg": strict(lambda a, b, c: (a + (b + c)) / 3),
}
"""Operations whose results are exactly defined by IEEE 754."""


def band_of(k: int) -> Drawn:
    return Drawn(("b1", "nir", "SWIR")[k], lambda pixel: pixel[k])


def number(value: float) -> Drawn:
    return Drawn(repr(value), lambda _: value)


def operation(children: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    def one(sign: str, a: Drawn) -> Drawn:
        return Drawn(f"{sign}({a.text})", lambda pixel: ONE[sign](a.of(pixel)))

    def two(a: Drawn, sign: str, b: Drawn) -> Drawn:
        return Drawn(f"({a.text}){sign}({b.text})", lambda pixel: TWO[sign](a.of(pixel), b.of(pixel)))

    def many(name: str, a: Drawn, b: Drawn, c: Drawn) -> Drawn:
        text = f"{name}({a.text}, {b.text}, {c.text})"
        return Drawn(text, lambda pixel: MANY[name](a.of(pixel), b.of(pixel), c.of(pixel)))

    def choose(a: Drawn, b: Drawn, c: Drawn) -> Drawn:
        def of(pixel: list[float]) -> Value:
            chosen = a.of(pixel)
            return None if chosen is None else (b if chosen != 0 else c).of(pixel)

        return Drawn(f"({a.text}) ? ({b.text}) : ({c.text})", of)

    return st.one_of(
        st.builds(one, st.sampled_from([*ONE]), children),
        st.builds(two, children, st.sampled_from([*TWO]), children),
        st.builds(many, st.sampled_from([*MANY]), children, children, children),
        st.builds(choose, children, children, children),
    )


BAND = st.builds(band_of, st.integers(0, 2))
LEAF = st.one_of(BAND, st.builds(number, st.sampled_from([0.0, 1.0, 2.0, 0.5, 1e200, 3e38, 1234.5])))
EXPRESSIONS = st.builds(
    lambda a, b: Drawn(f"({a.text}) + ({b.text})", lambda pixel: TWO["+"](a.of(pixel), b.of(pixel))),
    st.recursive(LEAF, operation, max_leaves=12),
    BAND,
)
PIXELS = st.lists(st.lists(st.integers(-3, 10000), min_size=3, max_size=3), min_size=1, max_size=6)


@settings(deadline=None, max_examples=400)
@given(EXPRESSIONS, PIXELS)
def test_result_equals_scalar_arithmetic_bit_for_bit(drawn: Drawn, pixels: list[list[int]]) -> None:
    found = computed(drawn.text, *np.array(pixels).T)
    expected = [drawn.of([float(v) for v in pixel]) for pixel in pixels]
    with np.errstate(over="ignore"):
        rounded = [MISSING if value is None else np.float32(value) for value in expected]
    assert found.tolist() == [float(v) if np.isfinite(v) else MISSING for v in rounded]


SUMS = st.recursive(
    st.sampled_from(["b1", "b2", "b3", "2.0", "3.0"]),
    lambda inner: st.one_of(
        st.builds(lambda a, sign, b: f"{a}{sign}{b}", inner, st.sampled_from(["+", "-", "*", "/"]), inner),
        st.builds(lambda a, sign, k: f"{a}{sign}{k}", inner, st.just(" ** "), st.sampled_from(["2.0", "3.0", "-1.0"])),
        st.builds(lambda a: f"-{a}", inner),
        st.builds(lambda a: f"({a})", inner),
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(SUMS, st.lists(st.integers(1, 9), min_size=3, max_size=3))
def test_precedence_is_that_of_python(text: str, pixel: list[int]) -> None:
    text = f"b1+{text}"
    names = {f"b{k}": np.float64(value) for k, value in enumerate(pixel, 1)}
    try:
        with np.errstate(all="raise", under="ignore"):
            expected = eval(text, {}, names)
    except ArithmeticError:
        expected = MISSING
    if isinstance(expected, complex) or abs(expected) > np.finfo(np.float32).max:
        expected = MISSING
    assert computed(text, *([v] for v in pixel))[0] == pytest.approx(expected, rel=1e-5, abs=1e-5)


# ------------------------------------------------------------------------------------------------------- worked values

PIXEL = [[400.0], [1600.0], [2500.0]]


WORKED = [
    ("(nir - red) / (nir + red)", 0.6),
    ("ndvi(red, nir)", 0.6),
    ("(b2 - b1) / (b2 + b1)", 0.6),
    ("im1b2", 1600),
    ("2 ^ 3 ^ 2 + 0 * b1", 512),
    ("-2 ^ 2 + 0 * b1", -4),
    ("2 ^ -1 + 0 * b1", 0.5),
    ("2 ** 0.5 + 0 * b1", math.sqrt(2)),
    ("nir - red - 100", 1100),
    ("swir / 5 / 10", 50),
    ("-red + +nir", 1200),
    ("red < nir < 2", 1),
    ("nir > red == 1", 1),
    ("not nir == red", 1),
    ("!nir == 0", 1),
    ("red > nir or nir > red and swir > 3000", 0),
    ("red > nir ? 1 : nir > red ? 2 : 3", 2),
    ("red < nir ? red > 1000 ? 1 : 2 : 3", 2),
    ("rint(red / 160) + rint(red / 267)", 3),
    ("rint(nir / 640)", 2),
    ("sign(red - nir) + sign(red - red)", -1),
    ("min(swir, red, nir) + max(red)", 800),
    ("avg(red, nir, swir)", 1500),
    ("sum(red, nir, swir)", 4500),
    ("1.5e3 + .5 + 2. + 0 * b1", 1502.5),
]


@pytest.mark.parametrize(("text", "expected"), WORKED)
def test_worked_values(text: str, expected: float) -> None:
    assert computed(text, *PIXEL)[0] == pytest.approx(expected, rel=1e-6)


INVERSES = {
    "exp(log(red))": 400,
    "exp(ln(red))": 400,
    "2 ^ log2(red)": 400,
    "10 ^ log10(red)": 400,
    "1000 * sin(asin(red / 1000))": 400,
    "1000 * cos(acos(red / 1000))": 400,
    "tan(atan(red))": 400,
    "sinh(asinh(red))": 400,
    "cosh(acosh(red))": 400,
    "1000 * tanh(atanh(red / 1000))": 400,
    "nir * tan(atan2(red, nir))": 400,
    "sqrt(red) ^ 2": 400,
    "abs(-red)": 400,
    "log10(1000) + log2(8) + log(exp(2)) + 0 * red": 8,
    "sin(0.5) ^ 2 + cos(0.5) ^ 2 + 0 * red": 1,
    "4 * atan(1) + 0 * red": math.pi,
    "atan2(-1, -1) + 0 * red": -3 * math.pi / 4,
    "cosh(1) ^ 2 - sinh(1) ^ 2 + 0 * red": 1,
    "tanh(0.5) - sinh(0.5) / cosh(0.5) + red": 400,
}


@pytest.mark.parametrize("text", INVERSES)
def test_functions_and_their_inverses(text: str) -> None:
    assert computed(text, *PIXEL)[0] == pytest.approx(INVERSES[text], rel=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "red / 0",
        "(red - red) / (nir - nir)",
        "sqrt(-red)",
        "log(red - red)",
        "ln(-red)",
        "log10(0 * red)",
        "asin(red)",
        "acosh(red / 1000)",
        "atanh(red / red)",
        "(-red) ^ 0.5",
        "(red - red) ^ -1",
        "exp(nir)",
        "sinh(nir)",
        "cosh(-nir)",
        "red * 1e37",
        "1 / exp(nir)",
        "red / 0 > 1",
        "min(red, 1 / 0)",
        "red / 0 == red / 0",
        "!(red / 0)",
        "red / 0 ? 1 : 2",
        "nir && red / 0",
        "red / 0 && 0",
        "0 || red / 0",
        "red / 0 || 1",
        "ndvi(red, -red)",
        "sign(red / 0)",
        "(red / 0) ^ 0",
        "1 ^ (red / 0)",
        "(red / 0) ^ 2",
    ],
)
def test_results_that_are_not_finite_are_missing(text: str) -> None:
    assert computed(text, *PIXEL)[0] == MISSING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red == 400 ? 5 : red / 0", 5),
        ("red != 400 ? red / 0 : 6", 6),
        ("red == 0 && 1 / red > 1 / 0", 0),
        ("red == 400 || red / 0", 1),
    ],
)
def test_operands_that_are_not_needed_may_be_undefined(text: str, expected: float) -> None:
    assert computed(text, *PIXEL)[0] == expected


def test_nan_in_a_used_band_gives_missing() -> None:
    assert computed("red + nir", [np.nan, 1.0, 1.0], [1.0, np.nan, 1.0]).tolist() == [MISSING, MISSING, 2]
    assert computed("red + 1", [1.0], [np.nan]).tolist() == [2]


def test_an_infinite_band_value_gives_missing() -> None:
    assert computed("atan(red)", [np.inf, -np.inf, 1.0])[:2].tolist() == [MISSING, MISSING]
    assert computed("red > 3 ? 1 : 0", [np.inf, 4.0]).tolist() == [MISSING, 1]


def test_rows_longer_than_a_chunk_and_all_dates_are_complete() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(1, 9000, (3, 2, 5001)).astype(np.float32)
    out = np.empty((3, 5001), np.float32)
    evaluate(compile_expression("log(b1) * b2 > 20000 ? b1 : sqrt(b2)", BANDS[:2]), values, out)
    a, b = values[:, 0].astype(float), values[:, 1].astype(float)
    assert np.allclose(out, np.where(np.log(a) * b > 20000, a, np.sqrt(b)), rtol=1e-6)


def test_a_subset_of_the_pixels_gives_the_same_values() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 3, (2, 2, 4000)).astype(np.float32)
    program = compile_expression("sin(b1) ^ b2 + exp(b1) / log(b2)", BANDS[:2])
    whole, part = np.empty((2, 4000), np.float32), np.empty((2, 1500), np.float32)
    evaluate(program, values, whole)
    evaluate(program, np.ascontiguousarray(values[:, :, 777:2277]), part)
    assert np.array_equal(part, whole[:, 777:2277])


def test_without_pixels_there_are_no_values() -> None:
    assert computed("red + 1", []).shape == (0,)


def test_every_function_has_a_worked_value() -> None:
    """Fails if a function is added without a worked value."""
    known = set(re.findall(r"(\w+)\(", " ".join([*INVERSES, *(text for text, _ in WORKED)])))
    assert set(FUNCTIONS) - known == set()
