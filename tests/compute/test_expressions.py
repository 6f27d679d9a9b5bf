"""Grammar of expressions, messages for invalid expressions, and features computed from them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iota2.compute.expressions import (
    FUNCTIONS,
    MAX_CHARACTERS,
    MAX_DEPTH,
    OPERATORS,
    bands_by_position,
    compile_expression,
    expression_problems,
    split_expressions,
)
from iota2.compute.features import feature_block
from iota2.compute.stack import Op
from iota2.core.cube import FeatureBlock
from iota2.core.recipe import FeatureRecipe
from iota2.errors import ConfigError, FeatureMismatch
from tests.compute.test_features import make_cube, make_recipe

BANDS = ("B2", "B4", "B8", "B8A")


def steps(text: str, bands: tuple[str, ...] = BANDS) -> list[str]:
    """The operations of the program as text; bands with their position from 0."""
    program = compile_expression(text, bands)
    pairs = zip(program.codes, program.operands, strict=True)
    return [f"{Op(code).name}{operand if code == Op.BAND else ''}" for code, operand in pairs]


def problems(text: str, bands: tuple[str, ...] = BANDS) -> list[str]:
    return [*expression_problems(split_expressions(text), bands)]


# ------------------------------------------------------------------------------------------------------------ grammar


def test_commas_separate_expressions_but_not_arguments() -> None:
    assert split_expressions(" b1+b2 ,min( b1,\n max(b2, 3)),b3 ") == ("b1+b2", "min( b1, max(b2, 3))", "b3")
    assert split_expressions("b1), b2") == ("b1)", "b2")
    assert split_expressions("b1,,b2,") == ("b1", "", "b2", "")
    assert split_expressions("  ") == ()


def test_bands_are_found_by_position_and_by_name_in_any_case() -> None:
    assert steps("b1 + im1b4 + B4 + b8a + B8A") == [
        "BAND0",
        "BAND3",
        "ADD",
        "BAND1",
        "ADD",
        "BAND3",
        "ADD",
        "BAND3",
        "ADD",
    ]
    assert steps("VV / vh", ("vv", "VH")) == ["BAND0", "BAND1", "DIVIDE"]
    assert steps("a - A", ("A", "a")) == ["BAND1", "BAND0", "SUBTRACT"]


def test_lower_case_b_with_number_is_a_position_and_upper_case_a_name() -> None:
    assert steps("b4 - B4") == ["BAND3", "BAND1", "SUBTRACT"]
    assert problems("B1")[0].endswith("unknown band 'B1'; expected one of b1 = B2, b2 = B4, b3 = B8, b4 = B8A")
    assert "is the name of band 2 and the position of band 'b2'" in problems("b1", ("b2", "b1"))[0]
    assert steps("b2 + b1", ("b1", "b2")) == ["BAND1", "BAND0", "ADD"]


def test_words_that_start_with_an_operator_are_band_names() -> None:
    assert steps("android + nothing or order", ("android", "nothing", "order")) == [
        "BAND0",
        "BAND1",
        "ADD",
        "BAND2",
        "OR",
    ]
    assert steps("not(b1) and(b2)") == ["BAND0", "NOT", "BAND1", "AND"]
    assert steps("not b1 == b2") == steps("!(b1 == b2)")
    assert steps("!b1 == b2") == steps("(!b1) == b2")


def test_a_band_may_have_the_name_of_a_function() -> None:
    assert steps("min + min(min, abs)", ("min", "abs")) == ["BAND0", "BAND0", "BAND1", "MIN", "ADD"]


def test_bands_by_position_lists_the_positions_used() -> None:
    assert bands_by_position(("b3 / (im1b1 + B4)", "b3"), BANDS) == {"b1": "B2", "b3": "B8"}
    assert bands_by_position(("B4 + B8",), BANDS) == {}


# ------------------------------------------------------------------------------------------------------------ problems


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("b1 +", 5, "unexpected end; expected a band, a number, a function or '('"),
        ("(b1 + b2", 9, "unexpected end; expected an operator or ')'"),
        ("b1 + b2)", 8, "unexpected ')'; expected an operator"),
        ("b1 b2", 4, "unexpected 'b2'; expected an operator"),
        ("2b1", 2, "unexpected 'b1'; expected an operator"),
        ("b1 ? b2", 8, "unexpected end; expected an operator or ':'"),
        ("b1 * / b2", 6, "unexpected '/'; expected a band"),
        ("min()", 5, "unexpected ')'; expected a band"),
        ("b1 = b2", 4, "'=' is not allowed in an expression; did you mean '=='?"),
        ("b1 & b2", 4, "did you mean '&&'?"),
        ("b1 − b2", 4, "'−' is not allowed"),
        ("__import__('os')", 12, "''' is not allowed"),
        ("b1.real", 3, "'.' is not allowed"),
        ("b2 + b5", 6, "there is no band 'b5'; expected one of b1 = B2, b2 = B4, b3 = B8, b4 = B8A"),
        ("b0", 1, "there is no band 'b0'"),
        ("im2b1", 1, "unknown band 'im2b1'"),
        ("B8B / b1", 1, "unknown band 'B8B'"),
        ("nir + b1", 1, "unknown band 'nir'; expected one of b1 = B2"),
        ("b1 + sqr(b2)", 6, "unknown function 'sqr'; did you mean 'sqrt'?"),
        ("foo(b2)", 1, "unknown function 'foo'; expected one of abs, sign"),
        ("abs(b1, b2)", 1, "'abs' takes one argument, not 2: absolute value"),
        ("b1 + atan2(b2)", 6, "'atan2' takes 2 arguments, not 1: atan2(y, x)"),
        ("b1 * 1e400", 6, "number '1e400' is too large"),
        ("1 + 2", 1, "uses no band; expected at least one band"),
        ("b1" + " + b1" * MAX_CHARACTERS, MAX_CHARACTERS, f"expected at most {MAX_CHARACTERS}"),
        ("^".join(["b1"] * (MAX_DEPTH + 1)), 1, "nesting is too deep"),
    ],
)
def test_problems_are_reported_with_their_column(text: str, column: int, said: str) -> None:
    (problem,) = problems(text)
    assert f"column {column}: " in problem
    assert said in problem


def test_all_problems_of_all_expressions_are_reported() -> None:
    found = problems("b9 + sqr(b1) - nir, b1 / b2,, b1 +, b1*0,5")
    assert [problem[: problem.index(":")] for problem in found[:3]] == [
        f"expression 1 'b9 + sqr(b1) - nir', column {column}" for column in (1, 6, 16)
    ]
    assert found[3] == "expression 3 of 6 is empty; expected one before and after every comma"
    assert found[4].startswith("expression 4 'b1 +', column 5")
    assert found[5].startswith("expression 6 '5', column 1: the expression uses no band")
    assert len(found) == 6


@pytest.mark.parametrize("text", ["(" * 1900 + "b1" + ")" * 1900, "-" * 3900 + "b1", "+".join(["b1"] * 1300)])
def test_deep_nesting_with_a_small_stack_is_compiled(text: str) -> None:
    assert compile_expression(text, BANDS).depth <= 2
    assert bands_by_position((text,), BANDS) == {"b1": "B2"}


@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("b1B8 ()+-*/^<>=!&|?:,.e5") | st.characters(), max_size=40))
@example("9" * 400)
@example("b" + "9" * 3000)
def test_any_text_is_compiled_or_rejected(text: str) -> None:
    try:
        program = compile_expression(text, BANDS)
    except ConfigError:
        return
    assert program.depth >= 1


def test_every_documented_operator_is_parsed() -> None:
    for shown in (text for signs in OPERATORS for text in signs.split(", ")):
        assert steps(shown, ("a", "b", "c"))[0] == "BAND0"


def test_every_function_can_be_called() -> None:
    for name, function in FUNCTIONS.items():
        count = function.arguments or 3
        assert function.op.name in steps(f"{name}({', '.join(['b1', 'b2', 'b3'][:count])})")


# ------------------------------------------------------------------------------------------------------------ features


def rows(block: FeatureBlock, name: str) -> np.ndarray:
    """All dates of one feature."""
    return np.array([row for key, row in zip(block.names, block.values, strict=True) if f"_{name}_" in key])


@pytest.mark.parametrize("gapfilling", [True, False])
def test_an_expression_equals_the_index_of_the_same_formula(gapfilling: bool) -> None:
    cube = make_cube(3, [0, 4, 4, 20], (5, 6), share=0.8)
    recipe = make_recipe(
        cube, gapfilling=gapfilling, expressions=("(B8 - B4) / (B8 + B4)", "sqrt(b1^2+b2^2+b3^2+b4^2)")
    )
    block = feature_block({"Sentinel2": cube}, FeatureRecipe((recipe,)))
    ndvi, brightness, clear = rows(block, "NDVI"), rows(block, "Brightness"), block.n_valid > 0
    assert len(ndvi) == len(recipe.dates)
    expected = np.where(ndvi == -10000, -10000, ndvi / 1000)
    assert (expected == -10000).any() == (not gapfilling)
    assert np.allclose(rows(block, "userFeature1")[:, clear], expected[:, clear], rtol=1e-5, atol=1e-6)
    assert np.allclose(rows(block, "userFeature2")[:, clear], brightness[:, clear], rtol=1e-5)


def test_expressions_follow_the_indices_with_all_dates_of_each() -> None:
    recipe = make_recipe(make_cube(0, [1], (1, 1)), expressions=("b1", "b2"), indices=("NDVI",), copy_input=False)
    names = ("NDVI", "userFeature1", "userFeature2")
    assert recipe.names == tuple(f"Sentinel2_{name}_{key}" for name in names for key in recipe.dates)
    radar = replace(recipe, sensor="sentinel1_des", indices=())
    assert radar.names[0] == f"sentinel1_des_userfeature1_{recipe.dates[0]}"


@pytest.mark.parametrize("change", [{"relative_reflectance": True}, {"decibel": True}, {"copy_input": False}])
def test_expressions_use_unmodified_bands(change: dict[str, bool]) -> None:
    cube = make_cube(2, [0, 4, 9], (3, 3))
    recipe = make_recipe(cube, expressions=("B3 / B4", "b4 - b1"))
    plain, other = (
        feature_block({"Sentinel2": cube}, FeatureRecipe((r,))) for r in (recipe, replace(recipe, **change))
    )
    for name in ("userFeature1", "userFeature2"):
        assert np.array_equal(rows(plain, name), rows(other, name))
    if "copy_input" not in change:
        assert not np.array_equal(rows(plain, "B8"), rows(other, "B8"))


def test_positions_refer_to_the_bands_of_the_recipe() -> None:
    cube = make_cube(2, [0, 4, 9], (3, 3))
    recipe = make_recipe(cube, expressions=("b1", "b2"), bands=("B11", "B4"), indices=())
    block = feature_block({"Sentinel2": cube}, FeatureRecipe((recipe,)))
    assert np.array_equal(rows(block, "userFeature1"), rows(block, "B11"))
    assert np.array_equal(rows(block, "userFeature2"), rows(block, "B4"))


def test_the_recipe_of_a_model_contains_everything_its_expressions_need() -> None:
    cube = make_cube(2, [0, 4, 9], (3, 3))
    recipe = FeatureRecipe((make_recipe(cube, expressions=("b3 > 2000 ? b1 / b2 : log(B11)",)),))
    written = FeatureRecipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert written == recipe
    first, second = (feature_block({"Sentinel2": cube}, r) for r in (recipe, written))
    assert np.array_equal(first.values, second.values)


def test_invalid_expressions_are_a_feature_mismatch() -> None:
    cube = make_cube(0, [1], (1, 1))
    recipe = FeatureRecipe((make_recipe(cube, expressions=("b1 +", "b1 + B99")),))
    with pytest.raises(FeatureMismatch) as raised:
        feature_block({"Sentinel2": cube}, recipe)
    assert "Sentinel2: expression 1 'b1 +', column 5" in str(raised.value)
    assert "Sentinel2: expression 2 'b1 + B99', column 6: unknown band 'B99'" in str(raised.value)


@pytest.mark.parametrize("text", ["b1 / (b2 - b2)", "b1 / 0", "log(-b1)"])
def test_division_by_zero_gives_missing(text: str) -> None:
    cube = make_cube(2, [0, 4, 9], (3, 3), share=1.0)
    block = feature_block({"Sentinel2": cube}, FeatureRecipe((make_recipe(cube, expressions=(text,)),)))
    assert (rows(block, "userFeature1") == -10000).all()
    assert (block.n_valid == 3).all()
