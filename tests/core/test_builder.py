"""Builders and chains: steps, axes, inputs and errors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iota2.core.builder import Ask, Builder, Chain, filled
from iota2.core.graph import Artifact, JobContext, Step, optional


def nothing(job: JobContext) -> None:
    """A step that does nothing."""


def step(name: str, group: str = "init", over: tuple[str, ...] = ("tile",), path: str = "") -> Step:
    made = {"out": Artifact(path or f"{name}/{{tile}}", "A file.")}
    return Step(name, group, "Does nothing.", f"{name}_{{tile}}", nothing, over, needs={}, makes=made)


def builder(name: str, *steps: Step, asks: frozenset[Ask] = frozenset({"images"})) -> Builder:
    return Builder(name, "A builder.", steps, asks)


def test_a_chain_executes_shared_steps_once_in_the_order_of_the_groups() -> None:
    first, second, last, other = step("a"), step("b"), step("c", "mosaic"), step("d")
    chain = Chain((builder("One", first, last), builder("Two", first, second, other, last)))
    assert [one.name for one in chain.steps] == ["a", "b", "d", "c"]
    assert chain.numbers == {"a": 1, "b": 2, "d": 3, "c": 4}
    assert chain.names[4] == "c"
    assert chain.groups == ("init", "mosaic")


def test_filled_folders_are_those_in_which_a_step_makes_files() -> None:
    steps = step("a", path="model/{tile}.txt"), step("b", path="final/by/{tile}.tif")
    folders = dict.fromkeys(("model", "mod", "final", "final/by", "final/other"), "A folder.")
    assert [*filled(folders, steps)] == ["model", "final", "final/by"]


def test_a_chain_has_the_inputs_and_axes_of_all_its_builders() -> None:
    one = builder("One", step("a"))
    two = builder("Two", step("b", over=("tile", "seed")), asks=frozenset({"reference", "images"}))
    assert Chain((one,)).asks == {"images"}
    assert Chain((one,)).axes == ("tile", "part", "strip", "sensor")
    assert Chain((one, two)).asks == {"images", "reference"}
    assert Chain((one, two)).axes == ("tile", "part", "strip", "sensor", "seed")


def test_two_steps_of_one_name_are_refused() -> None:
    places = r"in builder One \(one\.py\) and in builder Two \(built in\); rename one of them"
    for first, second, names in (("a", "A", "a and A"), ("a", "a", "a")):
        with pytest.raises(ValueError, match=f"two different steps are named {names}, {places}"):
            _ = Chain((replace(builder("One", step(first)), source="one.py"), builder("Two", step(second))))
    with pytest.raises(ValueError, match=r"two different steps are named a, both in builder One \(built in\)"):
        _ = Chain((builder("One", step("a"), step("a")),))


def test_a_step_that_is_listed_twice_is_refused() -> None:
    one = step("a")
    with pytest.raises(ValueError, match="builder One: step a is listed more than once in steps; list it once"):
        builder("One", one, step("b"), one)


@pytest.mark.parametrize(
    ("wrong", "axis"),
    [(step("a", over=("tile", "region")), "region"), (step("a", path="{tile}_{seed}.tif"), "seed")],
)
def test_a_step_over_an_axis_without_input_is_rejected(wrong: Step, axis: str) -> None:
    with pytest.raises(ValueError, match=f"builder One: step a needs the axis {axis}"):
        builder("One", wrong)


def test_a_builder_of_a_map_has_no_tiles_and_may_read_files_that_only_other_builders_make() -> None:
    of_run = Artifact("map_{seed}.tif", "The map.")
    given = Step("a", "init", "", "a_{square}", nothing, ("square",), {}, {"out": Artifact("a/{square}", "A file.")})
    both = builder("One", replace(given, needs={"map": optional(of_run)}), asks=frozenset({"map"}))
    assert both.axes == ("square", "area")
    assert builder("Two", given, asks=frozenset({"map", "images"})).axes[:1] == ("tile",)
    with pytest.raises(ValueError, match="step a needs the axis seed"):
        builder("One", replace(given, needs={"map": of_run}), asks=frozenset({"map"}))
    with pytest.raises(ValueError, match="step b needs the axis tile"):
        builder("One", step("b"), asks=frozenset({"map"}))


def test_a_builder_without_images_or_with_an_unknown_input_is_rejected() -> None:
    expected = "builder One: expected one of 'images' and 'grid' in asks, which define the tiles, or 'map'; got none"
    with pytest.raises(ValueError, match=expected):
        builder("One", step("a"), asks=frozenset())
    with pytest.raises(ValueError, match="got grid, images"):
        builder("One", step("a"), asks=frozenset({"images", "grid"}))
    with pytest.raises(ValueError, match="asks for weather; expected any of images, grid, regions"):
        builder("One", step("a"), asks=frozenset({"images", "weather"}))  # type: ignore[arg-type]
