"""Builders whose steps do not fit together are rejected before any input is read, with the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from iota2 import layout
from iota2.chains import BUILDERS, survey_files
from iota2.chains.checks import chain_problems
from iota2.chains.classification import CLASSIFICATION
from iota2.chains.features_map import FEATURES_MAP
from iota2.chains.features_tiler import FEATURES_TILER
from iota2.chains.obia import OBIA
from iota2.chains.vectorization import VECTORIZATION
from iota2.core.builder import GROUPS, Ask, Builder, Chain
from iota2.core.graph import Artifact, JobContext, Need, Step, first, optional
from iota2.errors import UserError

KNOWN = [step for builder in BUILDERS for step in builder.steps]
FILE = Artifact("final/file_{tile}.txt", "A file.")
OTHER = Artifact("final/other_{tile}.txt", "A file.")


def write(job: JobContext) -> None:
    """Function of all steps here, which never run."""


def step(
    name: str = "mine",
    task: str = "mine_{tile}",
    needs: Mapping[str, Artifact | Need] | None = None,
    makes: Artifact = FILE,
    group: str = "init",
) -> Step:
    return Step(name, group, "Write a file.", task, write, ("tile",), needs or {}, {"file": makes})


def builder(*steps: Step, options: tuple[str, ...] = (), folders: Mapping[str, str] | None = None) -> Builder:
    return Builder("Mine", "A file.", steps, frozenset({"images"}), options=options, folders=folders or {})


def problems(*builders: Builder) -> list[str]:
    chain = Chain(builders)
    return [*chain_problems(chain, survey_files(chain), KNOWN)]


def test_builders_of_the_program_and_a_sound_builder_have_no_problems() -> None:
    for one in BUILDERS:
        assert problems(one) == []
    assert problems(builder(step(needs={"scene": layout.SCENE}))) == []
    assert problems(builder(step(needs={"other": optional(OTHER)}))) == []


@pytest.mark.parametrize("other", [CLASSIFICATION, OBIA, FEATURES_MAP, FEATURES_TILER], ids=lambda one: one.name)
def test_polygons_of_a_map_can_be_made_beside_any_builder(other: Builder) -> None:
    assert problems(other, VECTORIZATION) == []
    names = [step.name for step in Chain((VECTORIZATION, other)).steps]
    assert names.index("regularisedMap") > names.index(other.steps[-1].name)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (builder(), "builder Mine has no steps"),
        (builder(step("../x")), "step '../x': expected a name of letters"),
        (builder(step(task="a/{tile}")), "the job name 'a/{tile}' contains '/'"),
        (builder(step(task="mine")), "the job name 'mine' lacks {tile}, so several jobs would have one name"),
        (builder(step(task="{tile}_{tiel}")), "{tiel} in the job name {tile}_{tiel} is unknown; did you mean 'tile'?"),
        (builder(step(makes=Artifact("a_{til}", "."))), "{til} in the path a_{til} is unknown; did you mean 'tile'?"),
        (builder(step(makes=Artifact("../a_{tile}", "."))), "../a_{tile} must be relative to the output folder"),
        (builder(step(makes=Artifact("/a_{tile}", "."))), "/a_{tile} must be relative to the output folder"),
        (builder(step(makes=Artifact("logs/a_{tile}", "."))), "and not in .iota2 or logs"),
        (builder(step(makes=Artifact(".iota2/a_{tile}", "."))), "and not in .iota2 or logs"),
        (builder(step(), folders={"../a": "."}), "the folder ../a must be relative"),
        (builder(step(), options=("chain.prj",)), "option 'chain.prj' does not exist; did you mean 'chain.proj'?"),
        (builder(step("a"), step("b")), "steps a and b both make final/file_{tile}.txt"),
        (
            builder(step(makes=Artifact("final/a", "."))),
            "final/a lacks {tile}, so several jobs would make one file",
        ),
        (builder(step(makes=layout.SCENE)), "which exists before the first job; give it another path"),
        (
            builder(step("a"), step("b", makes=Artifact(f"{FILE.path}/b", "."))),
            "lies in final/file_{tile}.txt, which step a makes as a whole; give it another path",
        ),
        (builder(step(needs={"other": OTHER})), "which no step makes: add a step that makes it, or correct the path"),
        (builder(step(needs={"other": first(OTHER, FILE)})), "needs final/other_{tile}.txt or final/file_{tile}.txt"),
        (builder(step(needs={"file": FILE})), "which it makes itself"),
        (builder(step("a", needs={"other": OTHER}), step("b", makes=OTHER)), "which step b makes later: put b first"),
        (
            builder(step("a", needs={"other": optional(OTHER)}), step("b", makes=OTHER)),
            "step a needs final/other_{tile}.txt, which step b makes later: put b first",
        ),
        (builder(step(needs={"file": optional(FILE)})), "which it makes itself"),
        (builder(step(group="my group/../x")), "the group 'my group/../x' must be a name of letters"),
        (
            builder(step(needs={"validity": layout.VALIDITY})),
            "which step PixelValidity makes: add iota2.steps.prepare.validity.STEP to the steps",
        ),
    ],
)
def test_a_builder_that_cannot_run_is_explained(wrong: Builder, message: str) -> None:
    assert any(message in problem for problem in problems(wrong)), problems(wrong)


def test_the_order_of_the_builders_does_not_matter_and_own_groups_keep_their_place() -> None:
    late = builder(step("late", group="mosaic"), step("own", "own_{tile}", makes=OTHER, group="mine"))
    for builders in ((CLASSIFICATION, late), (late, CLASSIFICATION)):
        assert problems(*builders) == []
        groups = Chain(builders).groups
        assert [group for group in groups if group in GROUPS] == [group for group in GROUPS if group in groups]
        assert groups.index("mine") == groups.index("mosaic") + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": 5}, "a builder has the name 5; expected a text"),
        ({"steps": [step()]}, "steps must be a tuple of Step"),
        ({"steps": (layout,)}, "steps must be a tuple of Step"),
    ],
)
def test_a_builder_of_other_types_is_rejected(arguments: Mapping[str, object], message: str) -> None:
    given = {"name": "Mine", "about": ".", "steps": (step(),), "asks": frozenset({"images"})}
    with pytest.raises(ValueError, match=message):
        Builder(**{**given, **arguments})  # type: ignore[arg-type]


def test_a_step_may_be_listed_before_the_one_that_makes_its_input_in_an_earlier_group() -> None:
    late = step("late", "late_{tile}", {"file": FILE}, OTHER, group="mosaic")
    assert problems(builder(late, step("early"))) == []


def no_arguments() -> None:
    """A function that a step cannot call."""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"run": no_arguments}, r"step mine: run is no_arguments\(\) -> .*; expected 1 argument: job"),
        ({"params": no_arguments}, r"step mine: params is no_arguments\(\) -> .*; expected 1 argument: config"),
        ({"cost": write}, r"step mine: cost is write\(job.*; expected 2 arguments: config, facts"),
        ({"block_shape": write}, "expected 4 arguments: config, facts, tile, use"),
        ({"block_shape": 5}, "step mine: block_shape is 5; expected a function"),
        ({"needs": {"my file": OTHER}}, "needs has 'my file', which cannot be an attribute; choose another name"),
        ({"makes": {"all": FILE}}, "makes has 'all', which cannot be an attribute; choose another name"),
    ],
)
def test_a_step_that_cannot_be_called_is_rejected(fields: Mapping[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(step(), **fields)


@pytest.mark.parametrize(
    ("role", "hint"),
    [("prodct", "; did you mean 'product'?"), ("x", "; expected one of product, intermediate, note"), (None, "")],
)
def test_an_unknown_role_is_rejected(role: str, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"a.txt: there is no role {role!r}{hint}")):
        Artifact("a.txt", "A file.", role=role)  # type: ignore[arg-type]


def test_a_step_without_a_function_is_rejected() -> None:
    with pytest.raises(ValueError, match="step mine: run is None; expected a function"):
        Step("mine", "init", ".", "mine_{tile}", None, ("tile",), {}, {"file": FILE})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ask", "options"),
    [
        ("regions", set()),
        ("reference", {"chain.ground_truth", "chain.data_field"}),
        ("classes", {"chain.nomenclature_path", "chain.color_table"}),
    ],
)
def test_input_data_have_mandatory_options(ask: Ask, options: set[str]) -> None:
    one = Builder("Mine", ".", (step(),), frozenset({"images", ask}), options=("chain.region_path",))
    assert one.mandatory == {"chain.region_path", "chain.list_tile", "chain.proj", *options}
    on_grid = Builder("Mine", ".", (step(),), frozenset({"grid"}))
    assert on_grid.mandatory == {"chain.features_path"}


def test_builders_on_images_and_on_a_grid_cannot_be_combined() -> None:
    (problem,) = problems(FEATURES_TILER, builder(step()))
    assert "builders Mine and I2FeaturesTiler cannot run together" in problem
    assert problems(FEATURES_TILER, Builder("Other", ".", (step(),), frozenset({"grid"}))) == []


def returning(value: object) -> Step:
    return replace(step(), cost=lambda config, facts: value, check=lambda config, facts: value, source="mine/own.py")


@pytest.mark.parametrize("value", [None, ["text"], 5])
def test_wrong_results_of_cost_and_check_name_the_step_and_its_file(value: object) -> None:
    with pytest.raises(UserError, match=r"mine/own\.py: step mine: cost returned .*; expected a Cost"):
        returning(value).cost_of(None, None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"mine/own\.py: step mine: check returned .*; expected values of type Finding"):
        returning(value).findings(None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("final/./a", "must be written 'final/a'"),
        ("final//a", "must be written 'final/a'"),
        ("final/a/", "must be written 'final/a'"),
        ("a_{tile", "braces without a partner"),
        ("a_{tile}}", "braces without a partner"),
        ("a_{0}", "do not enclose the name of an axis"),
        ("a_{tile!r}", "do not enclose the name of an axis"),
        ("a\0b", "contains a NUL character"),
        ("", "expected a text"),
        (None, "expected a text"),
    ],
)
def test_paths_of_artifacts_have_one_spelling(path: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Artifact(path, ".")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("when", None, "when is None; expected a function"),
        ("params", 7, "params is 7; expected a function"),
        ("cost", 7, "cost is 7; expected a function"),
        ("check", 7, "check is 7; expected a function"),
        ("about", 7, "about is 7; expected a text"),
        ("name", "x" * 101, "more than 100 characters"),
        ("task", "a_{tile", "braces without a partner"),
        ("over", "tile", "over is 'tile'; expected a tuple of axes"),
        ("needs", {"a": "b"}, "needs has 'a': 'b'; expected a name and an artifact"),
        ("makes", [FILE], "expected a dictionary of names and artifacts"),
    ],
)
def test_fields_of_steps_are_checked(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(step(), **{field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("about", 7, "about is 7; expected a text"),
        ("options", "chain.proj", "options is 'chain.proj'; expected a tuple of texts"),
        ("aliases", (3,), "expected a tuple of texts"),
        ("asks", "images", "asks is 'images'; expected a set"),
        ("folders", {3: "x"}, "expected folders with descriptions"),
        ("folders", {"a\0": "x"}, "expected folders with descriptions"),
    ],
)
def test_fields_of_builders_are_checked(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(builder(step()), **{field: value})
