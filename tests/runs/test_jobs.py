"""Planning of jobs from steps and rows."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from iota2.chains.classification import CLASSIFICATION
from iota2.core.graph import Artifact, JobContext, Key, Need, Resources, Step, first, only_for, optional
from iota2.errors import UserError
from iota2.runs.plan.jobs import Plan, make_plan
from tests.runs.rows import rows_of

TILE = Artifact("tiles/{tile}.txt", "One per tile.")
PART = Artifact("parts/{tile}_{part}.txt", "One per part.")
ALL = Artifact("{base}.txt", "One for all.")
OPTIONAL = Artifact("extra_{tile}.txt", "Only when asked for.", when=lambda config: config.extra)
GIVEN = Artifact("given/{tile}.txt", "From outside.")


@dataclass(frozen=True)
class Settings:
    """The part of a configuration that these steps use."""

    extra: bool = False


def nothing(job: JobContext) -> None:
    """A step that does nothing."""


def step(
    name: str, over: tuple[str, ...], needs: dict[str, Artifact | Need], makes: dict[str, Artifact], **more: Any
) -> Step:
    task = name + "".join(f"_{{{axis}}}" for axis in over)
    return Step(name, "init", "About.", task, nothing, over, needs, makes, **more)


READ = step("read", ("tile",), {"given": GIVEN}, {"tile": TILE, "extra": OPTIONAL})
CUT = step("cut", ("tile", "part"), {"tile": TILE}, {"part": PART})
GATHER = step("gather", (), {"parts": PART}, {"whole": ALL})
ROWS = rows_of({"A": (2, ["1"]), "B": (1, ["1", "2"])}, ["S"], 1)


def planned(root: Path, *steps: Step, extra: bool = False) -> Plan:
    return make_plan(steps, ROWS, Settings(extra), root=root, constants={"base": "everything"}, given=[GIVEN])


def test_jobs_of_a_step_are_the_distinct_values_of_its_axes(tmp_path: Path) -> None:
    jobs = planned(tmp_path, READ, CUT, GATHER).jobs
    assert [job.id for job in jobs] == [
        "read/read_A", "read/read_B", "cut/cut_A_0", "cut/cut_A_1", "cut/cut_B_0", "gather/gather",
    ]  # fmt: skip


def test_an_artifact_gives_one_path_a_shared_path_or_a_mapping_by_its_axes(tmp_path: Path) -> None:
    by_id = planned(tmp_path, READ, CUT, GATHER).by_id
    assert by_id["cut/cut_A_1"].out.part == tmp_path / "parts/A_1.txt"
    assert by_id["cut/cut_A_1"].inp.tile == by_id["cut/cut_A_0"].inp.tile == tmp_path / "tiles/A.txt"
    assert by_id["gather/gather"].inp.all("parts") == {
        (tile, part): tmp_path / f"parts/{tile}_{part}.txt" for tile, part in (("A", 0), ("A", 1), ("B", 0))
    }
    assert by_id["gather/gather"].makes == ("everything.txt",)


def test_a_misspelt_input_or_output_is_explained(tmp_path: Path) -> None:
    job = planned(tmp_path, READ, CUT, GATHER).by_id["cut/cut_A_1"]
    with pytest.raises(AttributeError, match="the job has no input 'tiel'; did you mean 'tile'"):
        _ = job.inp.tiel
    for use in (job.out.each, job.out.at, job.out.names):
        with pytest.raises(AttributeError, match="the job has no output 'x'; expected one of part"):
            list(use("x"))
    assert not hasattr(job.inp, "tiel")
    assert pickle.loads(pickle.dumps(job.inp)) == job.inp


def test_a_job_needs_the_jobs_that_make_its_inputs(tmp_path: Path) -> None:
    by_id = planned(tmp_path, READ, CUT, GATHER).by_id
    assert by_id["read/read_A"].needs == ()
    assert by_id["cut/cut_A_1"].needs == ("read/read_A",)
    assert by_id["gather/gather"].needs == ("cut/cut_A_0", "cut/cut_A_1", "cut/cut_B_0")


def test_artifacts_and_steps_that_are_not_requested_are_not_planned(tmp_path: Path) -> None:
    assert "extra" not in planned(tmp_path, READ).by_id["read/read_A"].out
    assert planned(tmp_path, READ, extra=True).by_id["read/read_B"].out.extra == tmp_path / "extra_B.txt"
    never = step("never", (), {}, {"whole": ALL}, when=lambda config: config.extra)
    assert planned(tmp_path, READ, never).steps == (READ,)


SMOOTHED = Artifact("smoothed/{tile}.txt", "Only when asked for.", when=lambda config: config.extra)
SHAPE = step("shape", ("tile",), {"labels": first(SMOOTHED, TILE)}, {"shaped": Artifact("shaped/{tile}.txt", "Last.")})


def test_the_first_alternative_that_an_active_step_makes_is_read(tmp_path: Path) -> None:
    smooth = step("smooth", ("tile",), {"tile": TILE}, {"smoothed": SMOOTHED}, when=lambda config: config.extra)
    for extra, maker, path in ((False, "read", "tiles/A.txt"), (True, "smooth", "smoothed/A.txt")):
        job = planned(tmp_path, READ, smooth, SHAPE, extra=extra).by_id["shape/shape_A"]
        assert job.needs == (f"{maker}/{maker}_A",)
        assert job.inp.labels == tmp_path / path
    assert planned(tmp_path, READ, SHAPE, extra=True).by_id["shape/shape_A"].needs == ("read/read_A",), (
        "no active step makes it"
    )


def test_one_of_the_alternatives_must_be_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"shape: no active step makes smoothed/\{tile\}\.txt or tiles/\{tile\}\.txt"):
        planned(tmp_path, SHAPE)


def test_an_artifact_that_an_active_step_needs_is_made_without_request(tmp_path: Path) -> None:
    use = step("use", ("tile",), {"extra": OPTIONAL}, {"used": Artifact("used/{tile}.txt", "Of the extra.")})
    by_id = planned(tmp_path, READ, use).by_id
    assert by_id["read/read_A"].out.extra == tmp_path / "extra_A.txt"
    assert by_id["use/use_A"].needs == ("read/read_A",)
    never = replace(use, when=lambda config: config.extra)
    assert "extra" not in planned(tmp_path, READ, never).by_id["read/read_A"].out


def test_an_optional_need_does_not_cause_an_artifact_to_be_made(tmp_path: Path) -> None:
    use = step("use", ("tile",), {"tile": TILE, "extra": optional(OPTIONAL)}, {"used": Artifact("used/{tile}.txt", "")})
    assert "extra" not in planned(tmp_path, READ, use).by_id["use/use_A"].inp
    assert "extra" in planned(tmp_path, READ, use, extra=True).by_id["use/use_A"].inp


def test_the_needs_of_an_output_are_made_only_with_that_output(tmp_path: Path) -> None:
    """Requesting an output also requests the optional inputs from which it is made."""
    part = Artifact("extra_parts/{tile}_{part}.txt", "Of the extra.", when=lambda config: False)
    cut = step("cut", ("tile", "part"), {"given": GIVEN}, {"part": PART, "extra": part})
    join = step(
        "join", ("tile",), {"parts": PART, "extras": only_for(OPTIONAL, part)}, {"tile": TILE, "extra": OPTIONAL}
    )
    without, asked = (planned(tmp_path, cut, join, extra=extra).by_id for extra in (False, True))
    assert "extra" not in without["cut/cut_A_0"].out
    assert "extras" not in without["join/join_A"].inp
    assert "extra" in asked["cut/cut_A_0"].out
    assert len([*asked["join/join_A"].inp.each("extras")]) == 2
    use = step("use", ("tile",), {"extra": OPTIONAL}, {"used": Artifact("used/{tile}.txt", "Of the extra.")})
    assert "extra" in planned(tmp_path, cut, join, use).by_id["cut/cut_A_0"].out, "needed indirectly"


def test_an_input_that_no_step_makes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cut: no active step makes tiles/\{tile\}\.txt"):
        planned(tmp_path, CUT)


def test_two_jobs_cannot_make_one_path(tmp_path: Path) -> None:
    shared = step("shared", ("tile",), {}, {"whole": ALL})
    with pytest.raises(ValueError, match=r"shared/shared_B and shared/shared_A both make"):
        planned(tmp_path, shared)


def test_a_restricted_plan_requires_the_outputs_of_excluded_steps(tmp_path: Path) -> None:
    plan = planned(tmp_path, READ, CUT, GATHER)
    with pytest.raises(UserError, match=r"\.txt \(made by step cut\)") as refused:
        plan.restricted(["gather"])
    for option in ("--first-step", "chain.first_step", "-starting_step"):
        assert option in str(refused.value)
    (tmp_path / "parts").mkdir()
    for name in ("A_0", "A_1", "B_0"):
        (tmp_path / f"parts/{name}.txt").touch()
    (job,) = plan.restricted(["gather"]).jobs
    assert job.needs == ()


def test_keys_give_the_values_of_axes_by_name(tmp_path: Path) -> None:
    by_id = planned(tmp_path, READ, CUT, GATHER).by_id
    found = by_id["gather/gather"].inp
    assert [(key.tile, key.part) for key, _ in found.each("parts")] == [("A", 0), ("A", 1), ("B", 0)]
    assert found.at("parts", part=1, tile="A") == tmp_path / "parts/A_1.txt"
    with pytest.raises(KeyError):
        found.at("parts", tile="B", part=1)
    (key,) = (key for key, _ in by_id["cut/cut_A_1"].inp.each("tile"))
    assert key == ()
    own = by_id["cut/cut_A_1"].context(Resources()).key
    assert (own.tile, own.part) == ("A", 1)
    with pytest.raises(AttributeError, match="seed is not an axis of this key; expected one of tile, part"):
        _ = own.seed


def test_keys_can_be_pickled_and_equal_their_values() -> None:
    key = Key.of(tile="A", part=3)
    sent = pickle.loads(pickle.dumps(key))
    assert (sent.tile, sent.part, sent.axes) == ("A", 3, ("tile", "part"))
    assert sent == key == ("A", 3)
    assert {key: "found"}[Key.of(tile="A", part=3)] == "found"


def test_several_paths_cannot_be_used_as_one_path(tmp_path: Path) -> None:
    gather = planned(tmp_path, READ, CUT, GATHER).by_id["gather/gather"]
    with pytest.raises(AttributeError, match="several paths"):
        _ = gather.inp.parts
    with pytest.raises(AttributeError):
        _ = gather.inp.unheard_of


def test_job_contexts_can_be_pickled(tmp_path: Path) -> None:
    context = planned(tmp_path, READ).by_id["read/read_A"].inp
    assert pickle.loads(pickle.dumps(context)) == context


@pytest.mark.parametrize("found", CLASSIFICATION.steps, ids=lambda s: s.name)
def test_names_of_steps_and_of_their_jobs_are_unique(found: Step) -> None:
    assert [s.name for s in CLASSIFICATION.steps].count(found.name) == 1
    assert all("{" + axis + "}" in found.task for axis in found.over), "tasks of one step need different names"


def test_many_rows_give_each_job_once(tmp_path: Path) -> None:
    rows = rows_of({f"T{k}": (10, ["1", "2"]) for k in range(500)}, ["S"], 1)
    plan = make_plan([READ, CUT, GATHER], rows, Settings(), root=tmp_path, constants={"base": "x"}, given=[GIVEN])
    assert len(plan.jobs) == 500 + 5000 + 1
