"""Lookup of built-in and user-defined builders."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from iota2.chains import BUILDERS, chain_of, find_builders
from iota2.chains.load import load_config, read_config
from iota2.chains.user_builders import python_files
from iota2.core.builder import Builder, Chain, filled
from iota2.errors import ConfigError, UserError
from iota2.runs.survey.survey import input_problems
from tests.config.helpers import loaded

OWN = '''
"""A builder."""

from iota2 import layout
from iota2.core.builder import Builder, Chain
from iota2.core.graph import Artifact, Step
from iota2.steps.prepare import recipe


def run(job):
    job.out.own.write_text("done")


FILE = Artifact("final/own.txt", "A file.")
STEP = Step("ownStep", "init", "Write a file.", "own", run, (), needs={}, makes={"own": FILE})
OWN = Builder("Own", "A file.", (recipe.STEP, STEP), frozenset({"images"}), aliases=("my_own",))
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    return folder


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda one: one.name)
def test_a_builder_is_found_by_name_and_alias_in_any_spelling(builder: Builder) -> None:
    for name in (builder.name, builder.name.lower(), builder.name.upper(), *builder.aliases):
        assert find_builders([name]) == (builder,)


def test_an_unknown_builder_is_rejected_with_a_suggestion() -> None:
    with pytest.raises(UserError, match="'I2Clasification' is not a builder; did you mean 'I2Classification'"):
        find_builders(["I2Clasification"])
    with pytest.raises(
        UserError, match=r"'xyz' is not a builder; expected one of I2Classification, .*, or give the folder"
    ):
        find_builders(["xyz"])


def test_all_names_of_builders_that_cannot_be_used_are_reported_alike() -> None:
    with pytest.raises(UserError) as refused:
        find_builders(["Bar", "Foo"])
    assert str(refused.value).count("expected one of I2Classification") == 2
    assert "list of" not in str(refused.value)


def test_builders_in_a_folder_are_found_together_with_the_built_in_ones(mine: Path) -> None:
    classification, own = find_builders(["I2Classification", "my_own"], [mine])
    assert classification is BUILDERS[0]
    assert own.name == "Own"
    assert own.source == str(mine / "own.py")
    assert own.steps[1].name == "ownStep"
    with pytest.raises(UserError, match="is not a builder"):
        find_builders(["Own"])


def test_a_changed_file_is_imported_again_and_its_steps_get_another_version(mine: Path) -> None:
    (before,) = find_builders(["Own"], [mine])
    assert find_builders(["Own"], [mine]) == (before,)
    (mine / "own.py").write_text(OWN.replace('"done"', '"done twice"'), encoding="utf-8")
    (after,) = find_builders(["Own"], [mine])
    assert after.steps[1].version != before.steps[1].version
    assert after.steps[0] is before.steps[0], "built-in steps are unchanged"


def test_a_changed_helper_file_gives_steps_another_version(mine: Path) -> None:
    (mine / "_helper.py").write_text("NAME = 'done'\n", encoding="utf-8")
    (before,) = find_builders(["Own"], [mine])
    (mine / "_helper.py").write_text("NAME = 'done otherwise'\n", encoding="utf-8")
    assert find_builders(["Own"], [mine])[0].steps[1].version != before.steps[1].version


def test_any_step_of_the_user_runs_again_when_a_file_of_the_folder_changes(mine: Path) -> None:
    imported = "\nfrom functools import partial\n\nfrom iota2 import"
    partial = OWN.replace('"own", run,', '"own", partial(run),').replace("\nfrom iota2 import", imported)
    (mine / "own.py").write_text(partial, encoding="utf-8")
    (mine / "deeper").mkdir()
    versions = []
    for text in ("A = 1\n", "A = 22\n"):
        (mine / "deeper" / "helper.py").write_text(text, encoding="utf-8")
        versions.append(find_builders(["Own"], [mine])[0].steps[1].version)
    assert versions[0] != versions[1]


def test_hidden_files_and_folders_are_no_builders(mine: Path) -> None:
    (mine / ".#own.py").symlink_to("nobody@nowhere")
    (mine / "._own.py").write_bytes(b"\0")
    (mine / "folder.py").mkdir()
    assert find_builders(["Own"], [mine])[0].name == "Own"


def test_only_the_classification_creates_folders_that_its_steps_never_fill() -> None:
    for builder in BUILDERS:
        unfilled = {*builder.folders} - {*filled(builder.folders, builder.steps)}
        assert bool(unfilled) == (builder.name == "I2Classification"), (builder.name, unfilled)
    assert {"model", "dimRed", "stats"} <= {*find_builders(["I2Regression"])[0].folders}


def test_every_unknown_name_is_reported() -> None:
    with pytest.raises(UserError) as caught:
        find_builders(["i2_vectorisation_of", "I2Classification", "foo"])
    assert "'i2_vectorisation_of' is not a builder" in str(caught.value)
    assert "'foo' is not a builder" in str(caught.value)


def test_a_hidden_folder_that_the_configuration_names_is_searched(mine: Path) -> None:
    hidden = mine.rename(mine.with_name(".mine"))
    assert find_builders(["Own"], [hidden])[0].name == "Own"


def test_python_files_are_searched_two_folders_deep(mine: Path) -> None:
    for place in ("a/b", "a/b/c", ".git"):
        (mine / place).mkdir(parents=True)
        (mine / place / "helper.py").write_text("", encoding="utf-8")
    assert python_files([mine]) == [mine / "own.py", mine / "a/b/helper.py"]


def test_two_files_of_one_name_are_rejected(mine: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "own.py").write_text(OWN.replace('"Own"', '"Two"'), encoding="utf-8")
    with pytest.raises(UserError, match=r"mine/own\.py and .*second/own\.py have the same name; rename one of them"):
        find_builders(["Two"], [mine, second])


def test_two_builders_of_one_name_are_rejected_with_their_files(mine: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "another.py").write_text(OWN, encoding="utf-8")
    message = r"second/another\.py: another builder has the name Own \(.*mine/own\.py\); rename one of them"
    with pytest.raises(UserError, match=message):
        find_builders(["Own"], [mine, second])


def test_what_a_file_prints_is_no_output_of_the_program(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mine / "own.py").write_text(OWN + "\nprint('imported')\n", encoding="utf-8")
    find_builders(["Own"], [mine])
    assert capsys.readouterr().out == ""


def test_a_builder_may_consist_of_steps_of_the_program_alone(mine: Path) -> None:
    (mine / "own.py").write_text(OWN.replace("(recipe.STEP, STEP)", "(recipe.STEP,)"), encoding="utf-8")
    (own,) = find_builders(["Own"], [mine])
    assert own.steps == BUILDERS[0].steps[:1]


def test_user_defined_builders_share_steps_and_create_no_files(mine: Path) -> None:
    other = OWN + 'OTHER = Builder("Other", "A file.", (STEP,), frozenset({"images"}))\n'
    (mine / "own.py").write_text(other, encoding="utf-8")
    imported = "from iota2.chains.classification import CLASSIFICATION\nfrom iota2_builders.own import OWN\n"
    (mine / "second.py").write_text(imported, encoding="utf-8")
    chain = Chain(find_builders(["Own", "Other"], [mine]))
    assert [step.name for step in chain.steps].count("ownStep") == 1
    assert sorted(path.name for path in mine.iterdir()) == ["own.py", "second.py"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nraise RuntimeError('boom')\n", r"own\.py, line 2: RuntimeError: boom"),
        ("def f(:\n", r"own\.py, line 1: SyntaxError"),
        ("import nothing_of_that_name\n", r"own\.py, line 1: ModuleNotFoundError: .*nothing_of_that_name"),
        (OWN.replace("(), needs", "('seed',), needs"), r"own\.py, line \d+: ValueError: builder Own: .* axis seed"),
        (
            OWN.replace('"Own"', '"I2Classification"'),
            r"own\.py: another builder .* I2Classification \(built in\)",
        ),
        (
            OWN.replace("def run(job)", "def run()"),
            r"own\.py, line \d+: .* step ownStep: run is run\(\); expected 1",
        ),
        (OWN.replace('"A file.")', '"A file.", role="prodct")'), r"own\.py, line \d+: .* role 'prodct'; did you mean"),
        ("x = 1\n", r"no Python file in .*mine defines a value of type Builder"),
        ("import sys\nsys.exit(0)\n", r"own\.py, line 2: SystemExit: 0"),
    ],
)
def test_errors_in_a_file_are_reported_with_their_line(mine: Path, text: str, message: str) -> None:
    (mine / "own.py").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        find_builders(["Own"], [mine])


def test_user_modules_shadow_no_other_module_and_can_import_each_other(mine: Path) -> None:
    (mine / "json.py").write_text("raise RuntimeError('shadowed')\n", encoding="utf-8")
    (mine / "_shared.py").write_text("NAME = 'Own'\n", encoding="utf-8")
    (mine / "own.py").write_text(
        OWN.replace('Builder("Own"', "Builder(NAME").replace(
            "\nfrom iota2 import layout", "\nimport json\n\nfrom iota2_builders._shared import NAME\n\njson.dumps\n"
        ),
        encoding="utf-8",
    )
    with pytest.raises(UserError, match=r"json\.py, line 1: RuntimeError: shadowed"):
        find_builders(["Own"], [mine])
    (mine / "json.py").unlink()
    assert find_builders(["Own"], [mine])[0].name == "Own"


def test_nothing_is_imported_unless_the_configuration_names_the_folder(mine: Path, tmp_path: Path) -> None:
    (mine / "own.py").write_text(OWN + "\nraise RuntimeError('imported')\n", encoding="utf-8")
    assert loaded(tmp_path, {"s2_path": "mine"}, {}).builders.builders_paths == ()
    with pytest.raises(ConfigError, match=r"builders_paths: .*own\.py, line \d+: RuntimeError: imported"):
        loaded(tmp_path, {"s2_path": "mine"}, {"builders": {"builders_paths": ["mine"]}})


def test_options_that_no_builder_needs_may_be_left_out(mine: Path, tmp_path: Path) -> None:
    chosen = {"builders": {"builders_class_name": ["Own"], "builders_paths": ["mine"]}}
    config = loaded(tmp_path, {"s2_path": "mine"}, chosen)
    content = config.source.read_text(encoding="utf-8").splitlines()
    needed = ("ground_truth", "data_field", "nomenclature_path", "color_table")
    shorter = tmp_path / f"shorter{config.source.suffix}"
    shorter.write_text("\n".join(line for line in content if not line.strip().startswith(needed)), encoding="utf-8")
    assert chain_of(load_config(shorter)).asks == {"images"}
    both = shorter.read_text(encoding="utf-8").replace("Own", "I2Classification")
    shorter.write_text(both, encoding="utf-8")
    with pytest.raises(ConfigError) as message:
        load_config(shorter)
    assert [text.split(": ")[1] for text in message.value.problems] == [f"chain.{name}" for name in needed]


def test_a_misspelt_mandatory_option_is_not_reported_as_missing_too(mine: Path, tmp_path: Path) -> None:
    config = loaded(tmp_path, {"s2_path": mine.name}, {})
    text = config.source.read_text(encoding="utf-8").replace("data_field", "data_feild")
    config.source.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as message:
        load_config(config.source)
    (problem,) = message.value.problems
    assert problem.endswith("chain.data_feild: unknown option; did you mean 'data_field'?")


@pytest.mark.parametrize("names", [["Owm"], ["Own", "Own"]])
def test_builders_that_are_not_known_cause_no_problems_of_inputs(mine: Path, tmp_path: Path, names: list[str]) -> None:
    config = loaded(tmp_path, {"s2_path": "mine"}, {"builders": {"builders_paths": ["mine"]}})
    text = config.source.read_text(encoding="utf-8").replace("builders:", f"builders:\n  builders_class_name: {names}")
    kept = [line for line in text.splitlines() if "ground_truth" not in line and "color_table" not in line]
    config.source.write_text("\n".join(kept), encoding="utf-8")
    reading = read_config(config.source)
    assert len(reading.problems) == 1
    assert "builders.builders_class_name" in reading.problems[0][1]
    assert reading.usable is not None
    inputs = input_problems(reading.usable, reading.broken)
    assert not [text for _, text in inputs if "ground_truth" in text or "color_table" in text or "nomenclature" in text]


def test_a_user_defined_step_can_be_unpickled_in_another_process(mine: Path) -> None:
    (own,) = find_builders(["Own"], [mine])
    code = (
        "import pickle, sys; from pathlib import Path; from iota2.chains.user_builders import use_folders; "
        "use_folders([Path(sys.argv[1])]); print(pickle.loads(sys.stdin.buffer.read()).__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, mine], input=pickle.dumps(own.steps[1].run), capture_output=True, check=False
    )
    assert done.stdout == b"iota2_builders.own\n", done.stderr


@pytest.mark.parametrize(
    ("field", "code", "message"),
    [
        ("when", "lambda config: 1 / 0", "when failed: .*own.py, line [0-9]+: ZeroDivisionError"),
        ("when", "lambda config: 'yes'", "when returned 'yes'; expected True or False"),
        ("params", "lambda config: config.nothing", "params failed: .*own.py, line [0-9]+: AttributeError"),
    ],
)
def test_errors_of_functions_of_a_step_name_the_file_and_line(mine: Path, field: str, code: str, message: str) -> None:
    text = OWN.replace('makes={"own": FILE})', f'makes={{"own": FILE}}, {field}={code})')
    assert text != OWN
    (mine / "own.py").write_text(text, encoding="utf-8")
    own = find_builders(["Own"], [mine])[0].steps[-1]
    with pytest.raises(UserError, match=message):
        getattr(own, field)(object())


@pytest.mark.parametrize("error", ["BaseException('x')", "GeneratorExit()", "SystemExit(3)"])
def test_any_error_of_a_file_of_builders_is_reported(mine: Path, error: str) -> None:
    (mine / "own.py").write_text(f"{OWN}\nraise {error}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"own\.py, line [0-9]+: "):
        find_builders(["Own"], [mine])


def test_builders_that_do_not_fit_are_a_problem_of_the_configuration_with_its_line(mine: Path, tmp_path: Path) -> None:
    (mine / "own.py").write_text(OWN.replace("(recipe.STEP, STEP)", "()"), encoding="utf-8")
    chosen = {"builders": {"builders_class_name": ["Own"], "builders_paths": ["mine"]}}
    with pytest.raises(ConfigError, match=r"builders\.builders_paths: .*own\.py: builder Own has no steps"):
        loaded(tmp_path, {"s2_path": "mine"}, chosen)
