"""Selection of steps by number, name or group, independent of the active steps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from iota2.chains import BUILDERS
from iota2.chains.classification import CLASSIFICATION
from iota2.chains.vectorization import VECTORIZATION
from iota2.config.options.chain import Chain
from iota2.config.options.others import Builders
from iota2.config.options.schema import Config
from iota2.core.builder import GROUPS
from iota2.core.builder import Chain as Steps
from iota2.errors import UserError
from iota2.options import about
from iota2.runs.options import Options, chosen_steps, step_notes, steps_named

CONFIG = Config(Chain.model_construct(first_step="init", last_step="validation", list_tile=("T31TCJ",)))
CHAIN = Steps((CLASSIFICATION,))
ALL = CHAIN.steps
ACTIVE_STEPS = tuple(step for step in CHAIN.steps if step.when(CONFIG) and step.name != "samplesByTiles")
"""The active steps of a configuration with defaults, without one step in the middle."""
LEARNING, LAST = CHAIN.numbers["learnModel"], len(CHAIN.steps)


def run(options: Options, steps: tuple = ACTIVE_STEPS) -> list[str]:  # type: ignore[type-arg]
    return [step.name for step, chosen in chosen_steps(steps, CONFIG, options) if chosen]


def test_step_numbers_do_not_depend_on_the_active_steps() -> None:
    for name, number in CHAIN.numbers.items():
        if name in [step.name for step in ACTIVE_STEPS]:
            assert run(Options(legacy_first_step=number, legacy_last_step=number), ALL) == [name]
            assert run(Options(legacy_first_step=number, legacy_last_step=number), ACTIVE_STEPS) == [name]
    assert run(Options(legacy_first_step=2, legacy_last_step=5), ALL) == [
        "sensorsPreprocess",
        "coregistration",
        "CommonMasks",
        "PixelValidity",
    ]
    assert run(Options(legacy_first_step=2, legacy_last_step=5)) == [
        "sensorsPreprocess",
        "CommonMasks",
        "PixelValidity",
    ]


@pytest.mark.parametrize(
    "given",
    ["learnModel", "LEARNMODEL", LEARNING, f"{LEARNING}", f"0{LEARNING}", f"+{LEARNING}", f" {LEARNING} ", "learning"],
)
def test_a_bound_is_a_number_a_step_or_a_group(given: int | str) -> None:
    assert run(Options(legacy_first_step=given, legacy_last_step=given)) == ["learnModel"]
    if isinstance(given, str):
        assert run(Options(first_step=given, last_step=given)) == ["learnModel"]


def test_a_group_begins_with_its_first_and_ends_with_its_last_step() -> None:
    assert run(Options(legacy_first_step="classification", legacy_last_step="classification")) == [
        "classification",
        "classificationMerge",
    ]
    assert run(Options(first_step="mosaic", legacy_last_step="confusionCmd")) == [
        "classifShaping",
        "mosaic",
        "confusionCmd",
    ]


def test_groups_are_contiguous_and_names_differ_in_more_than_letter_case() -> None:
    order = [GROUPS.index(step.group) for step in CHAIN.steps]
    assert order == sorted(order)
    assert len({name.lower() for name in CHAIN.numbers}) == len(CHAIN.steps) == len(CHAIN.names)


def test_without_bounds_all_active_steps_run_without_a_note() -> None:
    assert run(Options()) == [step.name for step in ACTIVE_STEPS]
    assert step_notes(ACTIVE_STEPS, CONFIG, Options()) == []


def test_a_configuration_may_name_all_groups_also_former_ones_without_steps() -> None:
    assert {*Steps(BUILDERS).groups} <= {*GROUPS}
    for name in ("first_step", "last_step"):
        assert about(Chain.model_fields[name]).later == ()
        with pytest.raises(ValidationError, match="Input should be 'init', 'sampling'"):
            Chain.model_validate({name: "smothing"})


def test_a_former_group_without_steps_ends_the_run_with_the_group_before_it() -> None:
    config = replace(CONFIG, builders=Builders(builders_class_name=("I2Vectorization",)))
    steps = VECTORIZATION.steps
    chosen = [step for step, run in chosen_steps(steps, config, Options(last_step="smoothing")) if run]
    assert chosen == [step for step in steps if step.group in ("regularisation", "vectorisation")]
    assert "ends with step" in " ".join(step_notes(steps, config, Options(last_step="smoothing")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(legacy_first_step=3), "-starting_step: step 3 (coregistration) … begins with step 4 (CommonMasks)"),
        (Options(first_step="coregistration"), "--first-step: step 3 (coregistration) … begins with step 4"),
        (Options(legacy_last_step="3"), "-ending_step: step 3 (coregistration) … ends with step 2 (sensorsPreprocess)"),
        (Options(last_step="samplesByTiles"), "--last-step: step 18 (samplesByTiles) … ends with step 17"),
        (Options(first_step="dimred"), f"--first-step: group dimred … begins with step {LEARNING} (learnModel)"),
    ],
)  # fmt: skip
def test_a_bound_without_an_active_step_gives_a_note(options: Options, message: str) -> None:
    (note,) = step_notes(ACTIVE_STEPS, CONFIG, options)
    assert note.startswith(message.replace("…", "is not active with this configuration; the run"))
    assert step_notes(ALL, CONFIG, options) == []


def test_an_inactive_bound_of_the_configuration_is_named() -> None:
    config = replace(
        CONFIG, chain=Chain.model_construct(first_step="dimred", last_step="validation", list_tile=("T31TCJ",))
    )
    (note,) = step_notes(ACTIVE_STEPS, config, Options())
    assert note.startswith("chain.first_step: group dimred is not active")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(legacy_first_step=0), "-starting_step: there is no step 0; steps are numbered 1 to "),
        (Options(legacy_last_step=LAST + 1), f"there is no step {LAST + 1}; steps are numbered 1 to {LAST}"),
        (Options(legacy_first_step="-7"), "-starting_step: there is no step -7"),
        (Options(legacy_last_step="9" * 5000), "-ending_step: '" + "9" * 60 + "…' is neither a step"),
        (Options(legacy_first_step="learnModl"), "neither a step nor a group of steps; did you mean 'learnModel'?"),
        (Options(first_step="1.5"), "--first-step: '1.5' is neither a step"),
        (Options(last_step=""), "--last-step: '' is neither a step"),
        (Options(legacy_first_step=12, legacy_last_step=4), "-starting_step step 12 (referenceData)"),
        (Options(legacy_first_step=3, legacy_last_step=3), "The nearest active steps are 2 sensorsPreprocess and 4 "),
        (Options(first_step="validation", last_step="init"), "the first step comes after the last"),
        (Options(legacy_first_step="regularisation"), "group regularisation has no steps. Give an earlier "),
    ],
)  # fmt: skip
def test_bounds_without_any_active_step_are_rejected_with_the_known_steps(options: Options, message: str) -> None:
    with pytest.raises(UserError) as refused:
        run(options)
    assert message in str(refused.value)


def test_a_first_step_after_the_last_is_rejected_with_both_options() -> None:
    with pytest.raises(UserError) as refused:
        run(Options(legacy_first_step=LEARNING, legacy_last_step=3))
    assert str(refused.value) == (
        f"No step to run with -starting_step step {LEARNING} (learnModel) and -ending_step step 3 (coregistration): "
        "the first step comes after the last."
    )


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        ("learning", [step.name for step in ALL if step.group == "learning"]),
        (f"{LEARNING}", ["learnModel"]),
        ("LEARNMODEL", ["learnModel"]),
        ("init", [step.name for step in ALL if step.group == "init"]),
        ("classification", ["classification"]),
    ],
)
def test_force_accepts_a_step_a_number_or_a_group(asked: str, steps: list[str]) -> None:
    assert steps_named(CHAIN, "--force", asked) == steps


@pytest.mark.parametrize("asked", ["0", f"{LAST + 1}", "lerning", ""])
def test_force_rejects_unknown_steps(asked: str) -> None:
    with pytest.raises(UserError, match="--force: "):
        steps_named(CHAIN, "--force", asked)


def test_every_group_of_the_chain_is_accepted() -> None:
    for group in CHAIN.groups:
        assert {CHAIN.names[CHAIN.numbers[name]] for name in run(Options(first_step=group, last_step=group), ALL)}


def test_defaults_of_the_configuration_are_no_bounds() -> None:
    """Only what a configuration says excludes steps, so that no note names an option that nobody wrote."""
    without = [step for step in ALL if step.group not in ("init", "validation")]
    defaults = Config(Chain.model_construct(list_tile=("T31TCJ",)))
    assert all(chosen for _, chosen in chosen_steps(without, defaults, Options()))
    assert step_notes(without, defaults, Options()) == []
    assert len(step_notes(without, CONFIG, Options())) == 2
