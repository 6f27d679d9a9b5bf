"""Problems of inputs, reported with option and line together with those of the configuration."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import geopandas as gpd
import pytest

from iota2.chains.load import load_config
from iota2.errors import UserError
from iota2.terminal.console import JsonLines
from tests.chain.helpers import SMALL, WEST, Case, case, command, small

__all__ = ["SMALL", "case", "small"]


def line_of(config: Path, key: str) -> int:
    """Number of the line that begins with a key."""
    lines = config.read_text(encoding="utf-8").splitlines()
    return next(k for k, line in enumerate(lines, 1) if line.strip().lstrip("- ").strip("'").startswith(f"{key}"))


def problems(capsys: pytest.CaptureFixture[str], config: Path, name: str = "check") -> list[str]:
    """The problems that a command reports; continuation lines are joined."""
    code, printed, error = command(capsys, name, config)
    assert code == 1
    assert "problem" in error.splitlines()[0]
    assert not printed
    found: list[str] = []
    for line in error.splitlines()[1:]:
        if re.match("  \\S", line):
            found.append(line.strip())
        else:
            found[-1] += line
    return found


def test_a_missing_field_is_reported_at_its_option(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = case.configured(chain={"data_field": "coded", "region_path": str(case.files.regions), "region_field": "x"})
    data, region = problems(capsys, config)
    assert data.startswith(
        f"line {line_of(config, 'data_field')}: chain.data_field: {case.files.ground_truth}: no field 'coded'"
    )
    assert region.startswith(
        f"line {line_of(config, 'region_field')}: chain.region_field: {case.files.regions}: no field 'x'"
    )


def test_vectors_classes_tiles_and_tables_are_reported_at_their_options(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    case.files.ground_truth.with_suffix(".prj").unlink()
    case.files.nomenclature.write_text("no label here\n", encoding="utf-8")
    case.files.colors.write_bytes(b"1 \xff\xff 3\n")
    config = case.configured(chain={"region_path": str(case.files.regions), "list_tile": f"{WEST} T31TXX"})
    case.files.regions.with_suffix(".shp").write_bytes(b"")
    message = problems(capsys, config)
    for key, what in (
        ("nomenclature_path", f"{case.files.nomenclature}, line 1: expected 'name:label'"),
        ("color_table", f"{case.files.colors}: is not UTF-8"),
        ("list_tile", "Sentinel_2: no folder for tile T31TXX"),
        ("ground_truth", f"{case.files.ground_truth}: the coordinate reference system is not set"),
        ("region_path", f"{case.files.regions}: cannot be read as a vector file"),
    ):
        (one,) = (text for text in message if f"chain.{key}:" in text)
        assert one.startswith(f"line {line_of(config, key)}: chain.{key}: {what}")
    assert len(message) == 5
    assert [int(re.findall(r"\d+", text)[0]) for text in message] == sorted(
        int(re.findall(r"\d+", text)[0]) for text in message
    )


def test_a_nomenclature_given_as_colour_file_is_reported_at_the_colour_file_only(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    one = problems(capsys, case.configured(chain={"color_table": str(case.files.nomenclature)}))
    assert len(one) == 1
    assert "chain.color_table: is the same file as nomenclature_path" in one[0]
    case.files.colors.write_bytes(case.files.nomenclature.read_bytes())
    (message,) = problems(capsys, config := case.configured())
    start = f"line {line_of(config, 'color_table')}: chain.color_table: {case.files.colors}: looks like a nomenclature"
    assert message.startswith(start)
    assert f"are chain.nomenclature_path (line {line_of(config, 'nomenclature_path')}) and" in message


def test_a_field_without_any_label_of_the_nomenclature_is_one_problem_that_names_the_right_field(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = gpd.read_file(case.files.ground_truth)
    count = frame["code"].nunique()
    frame["name"] = "class " + frame["code"].astype(str)
    frame.to_file(case.files.ground_truth)
    (message,) = problems(capsys, config := case.configured(chain={"data_field": "name"}))
    assert message.startswith(
        f"line {line_of(config, 'data_field')}: chain.data_field: none of the {count} values of field 'name' (class "
    )
    assert message.endswith("is in nomenclature.txt; field 'code' has its labels: did you mean 'code'?")
    case.files.nomenclature.write_text("a:one\n", encoding="utf-8")
    case.files.colors.write_text("one 1 1 1\n", encoding="utf-8")
    assert len(problems(capsys, case.configured(chain={"data_field": "name"}))) > 1, "no field has the labels"


def test_a_wrong_field_of_codes_is_reported_when_the_nomenclature_has_names(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = gpd.read_file(case.files.ground_truth)
    frame["name"] = "class " + frame["code"].astype(str)
    frame.to_file(case.files.ground_truth)
    labels = sorted(set(frame["name"]))
    case.files.nomenclature.write_text("".join(f"{one}:{one}\n" for one in labels), encoding="utf-8")
    case.files.colors.write_text("".join(f"{one} 9 9 {k}\n" for k, one in enumerate(labels)), encoding="utf-8")
    (message,) = problems(capsys, case.configured())
    assert "field 'name' has its labels: did you mean 'name'?" in message


def test_labels_without_name_or_colour_are_reported_at_the_file_that_lacks_them(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    label = case.files.nomenclature.read_text(encoding="utf-8").splitlines()[0].rpartition(":")[2]
    for path, start in ((case.files.nomenclature, None), (case.files.colors, f"{label} ")):
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not (line.startswith(start) if start else line.endswith(f":{label}"))]
        path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    config = case.configured()
    names, colors = problems(capsys, config)
    assert names.startswith(f"line {line_of(config, 'nomenclature_path')}: chain.nomenclature_path: ")
    assert colors.startswith(f"line {line_of(config, 'color_table')}: chain.color_table: ")


def test_tables_of_counts_and_models_are_reported_by_path(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (case.files.folder / name for name in ("first.csv", "second.csv"))
    for path in (first, second):
        path.write_text("what is this\n", encoding="utf-8")
    selection = {
        "strategy": "byclass",
        "strategy.byclass.in": str(first),
        "per_model": [
            {"target_model": "1", "strategy": "all"},
            {"target_model": "7", "strategy": "byclass", "strategy.byclass.in": str(second)},
        ],
    }
    config = case.configured(arg_train={"sample_selection": selection})
    message = problems(capsys, config)
    lines = config.read_text(encoding="utf-8").splitlines()
    at = lambda text: next(k for k, line in enumerate(lines, 1) if text in line)  # noqa: E731
    assert any(
        text.startswith(f"line {at('first.csv')}: arg_train.sample_selection.strategy.byclass.in: {first}")
        for text in message
    )
    assert any(
        text.startswith(f"line {at('second.csv')}: arg_train.sample_selection.per_model.1.strategy") for text in message
    )
    model = "target_model: '7'"
    assert any(
        text.startswith(f"line {at(model)}: arg_train.sample_selection.per_model.1: target_model '7' is not a region")
        for text in message
    )


@pytest.mark.parametrize("name", ["check", "run", "plan"])
def test_problems_of_options_and_inputs_are_reported_together(
    case: Case, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    config = case.configured(
        chain={"data_field": "coded", "list_tile": "T31TXX", "spatial_resolution": -10}, arg_train={"runs": 0}
    )
    message = problems(capsys, config, name)
    assert [text.split(": ")[1] for text in message] == [
        "chain.list_tile", "chain.data_field", "chain.spatial_resolution", "arg_train.runs",
    ]  # fmt: skip


def test_inputs_of_invalid_options_are_not_read(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """Default values of invalid options cause no further problems."""
    config = case.configured(
        chain={"data_field": " ", "list_tile": "a/b", "proj": "x", "s2_path": str(case.files.folder / "gone")}
    )
    message = problems(capsys, config)
    assert {text.split(": ")[1] for text in message} == {
        "chain.data_field", "chain.list_tile", "chain.proj", "chain.s2_path",
    }  # fmt: skip
    without = (
        config.read_text(encoding="utf-8").replace("  ground_truth:", "  #").replace("  nomenclature_path:", "  #")
    )
    config.write_text(without, encoding="utf-8")
    message = problems(capsys, config)
    assert sum("is missing; give a path" in text for text in message) == 2
    assert len(message) == 6


def test_the_same_problem_on_all_tiles_is_reported_once(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(case.files.s2_path)
    case.files.s2_path.mkdir()
    config = case.configured(chain={"list_tile": "T31TAA T31TBB T31TCC", "user_feat_path": str(case.files.s2_path)})
    message = problems(capsys, config)
    assert len(message) == len(set(message))


def test_options_that_a_problem_mentions_get_their_lines(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    polygons = gpd.read_file(case.files.ground_truth)
    moved = polygons.set_geometry(polygons.geometry.translate(1e6, 1e6))
    moved.to_file(case.files.ground_truth)
    config = case.configured()
    (text,) = problems(capsys, config)
    assert text.startswith(
        f"line {line_of(config, 'ground_truth')}: chain.ground_truth: {case.files.ground_truth}: none of its"
    )
    loaded = load_config(config)
    sentence = "correct chain.list_tile or chain.region_path, not chain.s2_path"
    message = loaded.places.with_line(("chain", "s2_path"), sentence)
    tiles, images = line_of(config, "list_tile"), line_of(config, "s2_path")
    assert message == (
        images,
        f"line {images}: chain.s2_path: correct chain.list_tile (line {tiles}) or chain.region_path, not chain.s2_path",
    )


def test_line_numbers_are_correct_for_cfg_syntax_and_legacy_names(case: Case, tmp_path: Path) -> None:
    files = case.files
    text = f"""
chain : {{ outputPath : '{tmp_path / "out"}'
  listTile : '{WEST}', S2Path : '{files.s2_path}'

  groundTruth : '{files.ground_truth}'
  dataField : 'code'
  nomenclaturePath : '{files.nomenclature}'
  colorTable : '{files.colors}'
}}
GlobChain : {{ proj : 'EPSG:32631' }}
"""
    path = tmp_path / "old.cfg"
    path.write_text(text, encoding="utf-8")
    places = load_config(path).places
    assert places.line(("chain", "output_path")) == 2
    assert places.line(("chain", "s2_path")) == 3
    assert places.line(("chain", "ground_truth")) == 5
    assert places.line(("chain", "proj")) == 10
    assert places.line(("chain", "region_path")) == places.line(("chain",)) == 0


def test_a_failure_with_json_is_reported_once_on_a_terminal(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, message in ((Terminal(), True), (io.StringIO(), False)):
        error = UserError("no")
        JsonLines(stream).failed(error)
        assert error.is_shown is message


def test_an_invalid_sensor_description_does_not_hide_problems_of_other_sensors(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    description = case.files.folder / "mine.yaml"
    description.write_text("name: X\nbands: 3\n", encoding="utf-8")
    mine = {"mine": {"path": str(case.files.folder), "description": str(description)}}
    config = case.configured(
        chain={"list_tile": f"{WEST} T31TXX", "user_sensors": mine, "region_path": str(case.files.regions)},
        Sentinel_2={"keep_bands": ["B99"]},
        iota2_feature_extraction={"extract_bands": True},
    )
    message = problems(capsys, config)
    assert any("chain.user_sensors.mine.description: " in text and "the key 'section'" in text for text in message)
    assert any("chain.list_tile: Sentinel_2: no folder for tile T31TXX" in text for text in message)
    assert any("Sentinel_2.keep_bands: unknown bands B99" in text for text in message)


def test_a_table_of_counts_is_checked_even_without_known_classes(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    case.files.nomenclature.write_text("no label here\n", encoding="utf-8")
    counts = case.files.folder / "counts.csv"
    counts.write_text("1,many\n", encoding="utf-8")
    selection = {"strategy": "byclass", "strategy.byclass.in": str(counts)}
    message = problems(capsys, case.configured(arg_train={"sample_selection": selection}))
    assert any("chain.nomenclature_path: " in text for text in message)
    assert any(f"strategy.byclass.in: {counts}: cannot be used" in text and "'1,many'" in text for text in message)


def test_continuation_lines_of_a_problem_do_not_look_like_problems(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = case.files.folder / "counts.csv"
    counts.write_text("1,many\n", encoding="utf-8")
    selection = {"strategy": "byclass", "strategy.byclass.in": str(counts)}
    wrong = case.configured(chain={"foo": 1}, arg_train={"sample_selection": selection})
    code, _, error = command(capsys, "check", wrong)
    assert code == 1
    assert error.splitlines()[0].endswith("2 problems")
    assert "\n      line 1: '1,many' is not" in error


def test_all_spellings_of_the_base_folder_give_the_same_paths(
    case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = case.files.folder
    (home / "conf").mkdir()
    config = shutil.copy(
        case.configured(chain={"output_path": "res", "s2_path": case.files.s2_path.name}), home / "conf"
    )
    monkeypatch.chdir(home / "conf")
    monkeypatch.setenv("HOME", str(home.parent))
    for given in ("..", str(home), f"~/{home.name}", "../conf/.."):
        code, printed, _ = command(capsys, "check", config, "--paths-from", given)
        assert code == 0
        assert printed.rstrip().endswith(f"--paths-from {home}")
    code, _, error = command(capsys, "check", config, "--paths-from", "~nobody-here/x")
    assert (code, "--paths-from: " in error, "there is no user" in error) == (1, True, True)


@pytest.mark.parametrize(
    "sections",
    [
        {"sensors_data_interpolation": {"auto_date": False}},
        {
            "sensors_data_interpolation": {"auto_date": False},
            "Sentinel_2": {"start_date": 20181231, "end_date": 20180101},
        },
        {"Sentinel_2": {"keep_bands": "B99"}, "iota2_feature_extraction": {"extract_bands": True}},
        {"Sentinel_2": {"temporal_resolution": -1}},
        {"iota2_feature_extraction": {"copy_input": False}, "arg_train": {"features": []}},
        {
            "sensors_data_interpolation": {"use_additional_features": True},
            "Sentinel_2": {"additional_features": "B99 +"},
        },
        {"arg_train": {"sample_selection": {"sampler": "x"}, "runs": 0, "split_distance": -1}},
        {"coregistration": {"vhr_path": "nowhere.tif"}},
    ],
)
def test_invalid_options_never_cause_a_traceback_when_inputs_are_checked(
    case: Case, capsys: pytest.CaptureFixture[str], sections: dict[str, dict[str, object]]
) -> None:
    code, _, error = command(capsys, "check", case.configured(**sections))
    assert code == 1
    assert "Traceback" not in error
    assert "problem" in error.splitlines()[0]


def test_estimators_that_do_not_fit_together_are_reported_before_the_run(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    estimators = {"a": {"model_type": "GaussianNB"}, "b": {"model_type": "LinearSVC", "penalty": "l1", "loss": "hinge"}}
    section = {"model_type": "VotingClassifier", "keyword_arguments": {"estimators": estimators}}
    config = case.configured(scikit_models_parameters=section)
    option = "scikit_models_parameters.keyword_arguments.estimators.b"
    for name in ("check", "run"):
        code, _, error = command(capsys, name, config)
        message = " ".join(error.split())
        assert code == 1
        assert f"1 problem of inputs line {line_of(config, 'b:')}: {option}: LinearSVC cannot be used: " in message
        assert "Correct " in message
    assert not (case.output / "model").exists()
    section["keyword_arguments"] = {"estimators": {"a": "GaussianNB", "b": "LinearSVC"}}
    code, printed, error = command(capsys, "check", case.configured(scikit_models_parameters=section))
    assert (code, error) == (0, "")
    assert "Configuration is valid" in printed


@pytest.mark.parametrize(
    ("model_type", "arguments", "said"),
    [
        ("VotingClassifier", {"estimators": {"a": "SVCC", "b": "SVC"}}, "'SVCC'; did you mean 'SVC'?"),
        ("VotingClassifier", {"estimators": {"a": {"model_type": ["SVC"]}}}, "expected the name of an estimator"),
        ("Pipeline", {"steps": {"a": "SVC", "b": "PCA"}}, "steps: the last one must be a classifier"),
    ],
)
def test_invalid_arguments_of_estimators_are_the_only_problem(
    case: Case, capsys: pytest.CaptureFixture[str], model_type: str, arguments: dict[str, object], said: str
) -> None:
    section = {"model_type": model_type, "keyword_arguments": arguments}
    code, _, error = command(capsys, "check", case.configured(scikit_models_parameters=section))
    message = " ".join(error.split())
    assert code == 1
    assert said in message
    assert ": 1 problem line" in message


def test_columns_of_an_estimator_are_compared_with_the_features_of_the_run(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    scaled = {"model_type": "ColumnTransformer", "transformers": [["a", {"model_type": "StandardScaler"}, [999]]]}
    section = {"model_type": "Pipeline", "keyword_arguments": {"steps": {"columns": scaled, "trees": "GaussianNB"}}}
    code, _, error = command(capsys, "check", case.configured(scikit_models_parameters=section))
    assert code == 1
    assert "keyword_arguments.steps.columns: ColumnTransformer cannot be used: all features must be in [0, 194]" in (
        " ".join(error.split())
    )
