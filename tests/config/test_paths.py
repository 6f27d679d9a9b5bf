"""Relative paths: the folder where they start, ``--paths-from``, and hints on missing paths."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from iota2.chains.load import load_config
from iota2.config.s1_ini import read_s1_ini
from iota2.errors import ConfigError
from iota2.runs.options import Options, resume_command
from iota2.runs.records.output import location_notes, results_elsewhere

SENSOR = "{'path': 'data/mine', 'description': 'mine.yaml'}"
OPTIONS = f"""chain :
{{
  output_path : 'results'
  list_tile : 'T31TCJ'
  s2_path : 'data/s2'
  s1_path : 'data/s1.ini'
  ground_truth : './truth.shp'
  data_field : 'code'
  region_path : 'data/../regions.shp'
  nomenclature_path : 'classes.txt'
  color_table : 'colours.txt'
  user_sensors : {{'Mine' : {SENSOR}}}
  stac_items : {{'source' : 'items', 'collections' : {{'a' : 'Landsat8'}}}}
  proj : 'EPSG:2154'
}}
arg_train :
{{
  sample_selection : {{'strategy' : 'byclass', 'strategy.byclass.in' : 'counts.csv',
    'per_model' : [{{'target_model' : '1', 'strategy' : 'byclass', 'strategy.byclass.in' : 'more.csv'}}]}}
}}
coregistration : {{ vhr_path : 'vhr.tif' }}
"""
FILES = ("truth.shp", "regions.shp", "classes.txt", "colours.txt", "mine.yaml", "counts.csv", "more.csv", "vhr.tif")
FOLDERS = ("data/s2", "data/mine", "items", "radar")
GIVEN = len(FILES) + len(FOLDERS)
"""Number of input paths in the configuration: the INI file replaces the folder of radar images in it."""


@dataclass(frozen=True)
class Places:
    home: Path
    """Folder of the configuration."""
    work: Path
    """Working directory, which contains the inputs."""

    @property
    def config(self) -> Path:
        return self.home / "run.cfg"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    found = Places(tmp_path / "settings", tmp_path / "work")
    found.home.mkdir()
    for folder in FOLDERS:
        (found.work / folder).mkdir(parents=True)
    for name in FILES:
        (found.work / name).touch()
    (found.work / "data/s1.ini").write_text("[Paths]\nOutput = radar\n", encoding="utf-8")
    found.config.write_text(OPTIONS, encoding="utf-8")
    monkeypatch.chdir(found.work)
    return found


def test_paths_that_exist_in_the_working_directory_are_reported_with_the_remedy(places: Places) -> None:
    with pytest.raises(ConfigError) as message:
        load_config(places.config)
    problems = [text for text in message.value.problems if "no file" in text or "no folder" in text]
    assert len(problems) == GIVEN
    first, *others = problems
    assert f"exists, but relative paths start at {places.home}" in first
    assert "add --paths-from . (Iota2.py: -paths_from .)" in first
    for text in others:
        assert text.endswith(" exists; see --paths-from above")
    (truth,) = (text for text in problems if "ground_truth" in text)
    assert f"{places.work / 'truth.shp'} exists" in truth


def test_with_paths_from_all_relative_paths_start_there_also_in_the_ini_file(places: Places) -> None:
    config = load_config(places.config, paths_from=Path())
    assert config.chain.paths_from == places.work
    assert config.chain.output_path == places.work / "results"
    assert config.chain.ground_truth == places.work / "truth.shp"
    assert config.chain.user_sensors["Mine"].description == places.work / "mine.yaml"
    assert config.arg_train.sample_selection.per_model[0].byclass == places.work / "more.csv"
    assert config.coregistration.vhr_path == places.work / "vhr.tif"


def test_a_path_in_the_ini_file_that_exists_in_the_working_directory_is_reported(places: Places) -> None:
    (places.home / "data").mkdir()
    (places.home / "data/s1.ini").write_text("[Paths]\nOutput = radar\n", encoding="utf-8")
    with pytest.raises(ConfigError) as message:
        load_config(places.config)
    # the folder in the INI file is only checked when the section is valid
    text = OPTIONS
    for name in FILES:
        text = text.replace(f"'{name}'", f"'{places.work / name}'")
    text = text.replace("'./truth.shp'", f"'{places.work / 'truth.shp'}'")
    text = text.replace("'data/../regions.shp'", f"'{places.work / 'regions.shp'}'")
    for name in ("data/s2", "data/mine", "items"):
        text = text.replace(f"'{name}'", f"'{places.work / name}'")
    places.config.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as message:
        load_config(places.config)
    (problem,) = message.value.problems
    assert "line 6: chain.s1_path" in problem
    assert f"{places.work / 'radar'} exists, but relative paths start at {places.home / 'data'}" in problem


def test_absolute_paths_and_paths_that_exist_nowhere_get_no_such_advice(places: Places) -> None:
    text = OPTIONS.replace("'./truth.shp'", f"'{places.home / 'truth.shp'}'").replace("'data/s2'", "'data/s3'")
    places.config.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as message:
        load_config(places.config)
    for key in ("ground_truth", "s2_path"):
        (problem,) = (text for text in message.value.problems if f"chain.{key}" in text)
        assert "--paths-from" not in problem
    # a folder in place of an expected file gives no hint
    (places.work / "truth.shp").unlink()
    (places.work / "truth.shp").mkdir()
    places.config.write_text(OPTIONS, encoding="utf-8")
    with pytest.raises(ConfigError) as message:
        load_config(places.config)
    (problem,) = (text for text in message.value.problems if "chain.ground_truth" in text)
    assert "--paths-from" not in problem


def test_with_paths_from_a_path_that_exists_beside_the_configuration_is_reported(places: Places) -> None:
    config = places.work / "run.cfg"
    places.config.rename(config)
    with pytest.raises(ConfigError) as message:
        load_config(config, paths_from=places.home)
    problem = next(text for text in message.value.problems if "no folder" in text)
    assert f"{places.work / 'data/s2'} exists, but relative paths start at {places.home}" in problem


def test_the_resume_command_repeats_paths_from(places: Places) -> None:
    config = load_config(places.config, paths_from=Path())
    assert shlex.split(resume_command(config, Options())) == [
        "iota2", "run", str(places.config), "--paths-from", str(places.work),
    ]  # fmt: skip
    words = shlex.split(resume_command(config, Options(legacy_first_step=4)))
    assert words[words.index("-paths_from") + 1] == str(places.work)


def test_the_location_of_a_relative_output_folder_is_reported(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(places.config, check_paths=False)
    (note,) = location_notes(config)
    assert f"results are in {places.home / 'results'}" in note
    assert results_elsewhere(config) == []
    assert location_notes(load_config(places.config, paths_from=Path())) == [], "it was asked for"
    monkeypatch.chdir(places.home)
    assert location_notes(load_config(places.config, check_paths=False)) == []
    places.config.write_text(OPTIONS.replace("'results'", f"'{places.work / 'results'}'"), encoding="utf-8")
    monkeypatch.chdir(places.work)
    assert location_notes(load_config(places.config, check_paths=False)) == [], "a whole path"


def test_results_of_an_earlier_run_in_the_other_folder_cause_a_warning(places: Places) -> None:
    (places.work / "results/.iota2").mkdir(parents=True)
    (warning,) = results_elsewhere(load_config(places.config, check_paths=False))
    assert f"RESULTS OF AN EARLIER RUN ARE IN {places.work / 'results'}" in warning
    assert "add --paths-from ." in warning
    assert results_elsewhere(load_config(places.config, paths_from=Path())) == [], "those are used"
    (places.home / "results/.iota2").mkdir(parents=True)
    (warning,) = results_elsewhere(load_config(places.config, paths_from=Path()))
    assert f"ARE IN {places.home / 'results'}" in warning
    assert "remove --paths-from" in warning


def test_images_beside_the_ini_file_are_reported_with_paths_from(tmp_path: Path) -> None:
    (tmp_path / "data/images").mkdir(parents=True)
    ini = tmp_path / "data/s1.ini"
    ini.write_text("[Paths]\nOutput : images\n", encoding="utf-8")
    assert read_s1_ini(ini).output == tmp_path / "data/images"
    with pytest.raises(ConfigError) as message:
        read_s1_ini(ini, tmp_path)
    (problem,) = message.value.problems
    assert problem.endswith("or omit --paths-from")
    assert f"there is no folder {tmp_path / 'images'}. {tmp_path / 'data/images'} exists" in problem


@pytest.mark.parametrize(
    ("key", "written", "message"),
    [
        ("s2_path", "sensor_dat", "no folder {}/sensor_dat; did you mean 'sensor_data'?"),
        ("ground_truth", "vector_data/groundTruth", "groundTruth; did you mean 'groundTruth.shp'?"),
        ("ground_truth", "vector_data/groundTruth.gpkg", "groundTruth.gpkg; did you mean 'groundTruth.shp'?"),
        ("ground_truth", "vectordata/groundTruth.shp", "; {} has no 'vectordata'; did you mean 'vector_data'?"),
        ("color_table", "colours", "; did you mean 'colours.txt'?"),
        ("color_table", "xyz", "no file {}/xyz; correct the path"),
    ],
)
def test_a_missing_path_is_reported_with_a_similar_existing_name(
    tmp_path: Path, key: str, written: str, message: str
) -> None:
    (tmp_path / "sensor_data").mkdir()
    (tmp_path / "vector_data").mkdir()
    for name in ("vector_data/groundTruth.dbf", "vector_data/groundTruth.shp", "classes.txt", "colours.txt"):
        (tmp_path / name).touch()
    right = {
        "output_path": "out",
        "list_tile": "T31TCJ",
        "s2_path": "sensor_data",
        "ground_truth": "vector_data/groundTruth.shp",
        "data_field": "code",
        "nomenclature_path": "classes.txt",
        "color_table": "colours.txt",
        "proj": "EPSG:2154",
    }
    lines = "\n".join(f"  {name} : '{value}'" for name, value in (right | {key: written}).items())
    (tmp_path / "run.cfg").write_text(f"chain :\n{{\n{lines}\n}}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "run.cfg")
    (problem,) = caught.value.problems
    assert problem.endswith(message.format(tmp_path))


def test_two_dots_in_the_path_of_the_configuration_do_not_change_its_paths(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places.home / "sub/deep").mkdir(parents=True)
    monkeypatch.chdir(places.home / "sub")
    plain = load_config(places.config, paths_from=places.work)
    assert plain.chain.region_path == places.work / "regions.shp"
    for spelling in ("../run.cfg", "deep/../../run.cfg", str(places.home / "sub/../run.cfg")):
        found = load_config(spelling, paths_from=Path("../../work"))
        assert (found.source, found.chain, found.arg_train) == (plain.source, plain.chain, plain.arg_train)
        assert found.chain.paths_from == places.work
        radar = read_s1_ini(found.chain.s1_path, found.chain.paths_from)
        assert radar == read_s1_ini(plain.chain.s1_path, plain.chain.paths_from)


def test_two_dots_after_a_linked_folder_refer_to_its_target(places: Places, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/inner").mkdir(parents=True)
    (tmp_path / "elsewhere/truth.shp").touch()
    (places.home / "link").symlink_to(tmp_path / "elsewhere/inner")
    places.config.write_text(OPTIONS.replace("'./truth.shp'", "'link/../truth.shp'"), encoding="utf-8")
    found = load_config(places.config, check_paths=False)
    assert found.chain.ground_truth == tmp_path / "elsewhere/truth.shp"
