"""Odd paths and names everywhere, and configurations that would like to be code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from iota2.classifiers import load_model
from iota2.io.tables.vectors import read_vector
from iota2.testing.configurations import write_config
from iota2.testing.files import WorldFiles
from tests.chain.helpers import WEST, Case, case, command, copied, read, refused, run, small

__all__ = ["case", "small"]
ODD = "é 中文 'q' %d #1;x {0} $HOME [b] &"
MAP = "final/Classif_Seed_0.tif"


@pytest.fixture(scope="module")
def plain(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The small world in a folder of plain letters, and its results with regions."""
    case = copied(small, tmp_path_factory.mktemp("plain") / "case")
    run(case.configured(chain={"region_path": str(case.files.regions)}))
    return case


# ---------------------------------------------------------------------------------------------------- 26: paths


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(ODD, marks=pytest.mark.long),
        pytest.param("n" * 255, marks=pytest.mark.long),
        "名" * 80,
        '-a\\b "c" ~',
    ],
)
def test_results_do_not_depend_on_the_name_of_the_folder(plain: Case, tmp_path: Path, name: str) -> None:
    case = copied(plain, tmp_path / name)
    run(case.configured(chain={"region_path": str(case.files.regions)}))
    for product in ("Classif_Seed_0.tif", "Confidence_Seed_0.tif", "PixelsValidity.tif", "diff_seed_0.tif"):
        assert np.array_equal(read(case.output / "final" / product), read(plain.output / "final" / product)), product
    assert (case.output / "final/report.html").exists()


def test_every_input_and_the_configuration_itself_may_have_an_odd_name(
    case: Case, plain: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same with the syntax of .cfg, from the command line."""
    folder = case.files.folder.rename(case.files.folder.with_name(ODD))
    moved = WorldFiles(folder)
    names = {"nomenclature.txt": "noms é#1.txt", "colorFile.txt": "couleurs ;2.txt", "sensor_data": "images %s 中"}
    for old, new in names.items():
        (folder / old).rename(folder / new)
    for path in sorted((folder / "vector_data").iterdir()):
        path.rename(path.with_name(f"{ODD} {path.name}"))
    write_config((WEST,), moved)
    text = moved.config.read_text(encoding="utf-8")
    for old, new in (names | {s: f"{ODD} {s}" for s in ("reference_data.shp", "EcoRegion.shp")}).items():
        assert f"/{old}" in text
        text = text.replace(f"/{old}", f"/{new}")
    path = folder / f"{ODD}.cfg"
    path.write_text(text.replace("EPSG:2154", "EPSG:32631"), encoding="utf-8")
    code, out, error = command(capsys, "run", path, "--workers", 0)
    assert code == 0, error
    assert f"{moved.output / 'final/report.html'}" in out
    labels = read(moved.output / MAP)
    assert labels.shape == read(plain.output / MAP).shape
    assert (labels > 0).sum() == (read(plain.output / MAP) > 0).sum()
    assert (moved.output / f"{ODD} EcoRegion.shp").exists()


def test_paths_may_be_relative_linked_and_end_in_a_slash(
    case: Case, plain: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths start at the folder of the configuration, wherever the program is started."""
    folder = case.files.folder
    away = tmp_path / "away"
    shutil.move(folder / "sensor_data", away / "archive")
    (folder / "sensor_data").symlink_to(away / "archive", target_is_directory=True)
    tile = away / "archive" / WEST
    tile.rename(away / "tile")
    tile.symlink_to(away / "tile", target_is_directory=True)
    linked = case.files.nomenclature
    linked.rename(away / "names.txt")
    linked.symlink_to(away / "names.txt")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = case.configured(
        chain={
            "output_path": "./results/",
            "s2_path": "sensor_data/",
            "ground_truth": "vector_data/../vector_data/reference_data.shp",
            "region_path": "vector_data/EcoRegion.shp",
            "nomenclature_path": "nomenclature.txt",
            "color_table": "./colorFile.txt",
        }
    )
    loaded = run(Path(os.path.relpath(config)))
    assert loaded.chain.output_path.resolve() == case.output
    assert np.array_equal(read(case.output / MAP), read(plain.output / MAP))
    assert not list((tmp_path / "elsewhere").iterdir())


def regions_renamed(case: Case, stem: str) -> Path:
    path = case.files.regions.with_name(f"{stem}.gpkg")
    gpd.read_file(case.files.regions).to_file(path, driver="GPKG")
    return path


@pytest.mark.parametrize("stem", ["reference_data", "Eco.Region v1.2", pytest.param("é" * 60, marks=pytest.mark.long)])
def test_the_region_file_may_have_any_name_and_its_results_are_removed_on_demand(case: Case, stem: str) -> None:
    regions = {"region_path": str(regions_renamed(case, stem)), "remove_output_path": True, "last_step": "sampling"}
    for _ in range(2):
        run(case.configured(chain=regions))
        assert read_vector(case.output / "reference_data.shp").geom_type.str.endswith("Polygon").all()
        (shapes,) = (path for path in case.output.glob("*.shp") if path.stem != "reference_data")
        assert sorted(read_vector(shapes)["region"]) == ["1", "2"]
    run(case.configured(chain=regions | {"last_step": "init"}))
    assert not list(case.output.glob("*.shp"))
    assert not list((case.output / "learningSamples").iterdir())


def test_a_name_too_long_for_the_file_system_is_refused_before_anything_runs(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    stem = "r" * 240
    message = refused(capsys, case.configured(chain={"region_path": str(regions_renamed(case, stem))}))
    assert stem in message
    assert "255" in message
    assert not case.output.exists()


def test_regions_may_have_names_of_any_script(case: Case) -> None:
    frame = gpd.read_file(case.files.regions)
    frame["region"] = ["Sud-Ouest (plaine) 1", "丘陵 d'Oc"]
    path = case.files.regions.with_name("pays.gpkg")
    frame.to_file(path, driver="GPKG")
    run(case.configured(chain={"region_path": str(path)}))
    models = sorted(entry.name for entry in (case.output / "model").iterdir() if entry.is_dir())
    assert models == ["model_Sud-Ouest (plaine) 1_seed_0", "model_丘陵 d'Oc_seed_0"]
    assert set(np.unique(read(case.output / MAP))) >= {11, 12, 31}


@pytest.mark.parametrize("tile", ["../T31TCJ", "/etc", "T31TCJ/..", ".."])
def test_tile_names_cannot_climb_out_of_the_output_folder(
    case: Case, capsys: pytest.CaptureFixture[str], tile: str
) -> None:
    assert "is no valid tile name" in refused(capsys, case.configured(chain={"list_tile": tile}))


@pytest.mark.parametrize("name", ["../evil", "a/b", ".."])
def test_region_names_cannot_climb_out_of_the_output_folder(
    case: Case, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    frame = gpd.read_file(case.files.regions)
    frame["region"] = [name, "2"]
    path = case.files.regions.with_name("pays.geojson")
    frame.to_file(path, driver="GeoJSON")
    assert "cannot be part of a file name" in refused(capsys, case.configured(chain={"region_path": str(path)}))


@pytest.mark.parametrize(
    "field",
    [
        "fid",
        "Region",
        "i2label",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("ogc_fid", "seed_0", "tile_o", "value", "label")),
    ],
)
def test_the_field_of_the_class_may_have_a_name_that_tables_of_ours_use(case: Case, field: str) -> None:
    frame = case.reference()
    path = case.files.ground_truth.with_name("fields.shp")
    frame.rename(columns={"code": field})[[field, "geometry"]].to_file(path)
    run(case.configured(chain={"ground_truth": str(path), "data_field": field, "last_step": "learning"}))
    assert tuple(load_model(case.output / "model/model_1_seed_0").classes) == (11, 12, 31)


# --------------------------------------------------------------------------------------------- 27: data, not code

BOMB = "__import__('pathlib').Path('{marker}').write_text('run')"


@pytest.mark.parametrize("suffix", [".cfg", ".yaml"])
@pytest.mark.parametrize("key", ["output_path", "data_field", "list_tile", "proj", "spatial_resolution"])
def test_code_in_a_value_is_text_and_is_never_run(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, key: str
) -> None:
    marker = tmp_path / "marker"
    bomb = BOMB.format(marker=marker)
    config = case.configured(chain={key: bomb})
    if suffix == ".cfg":
        write_config((WEST,), case.files)
        lines = case.files.config.read_text(encoding="utf-8").splitlines()
        config = case.files.folder / "bomb.cfg"
        kept = [f'  {key} : "{bomb}"' if line.strip().startswith(f"{key} :") else line for line in lines]
        assert kept != lines
        config.write_text("\n".join(kept), encoding="utf-8")
    code, _, error = command(capsys, "check", config)
    assert code == (0 if key == "output_path" else 1), error
    assert "Traceback" not in error
    assert not marker.exists()


def test_objects_of_python_in_yaml_are_refused(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marker = tmp_path / "marker"
    path = case.configured()
    text = path.read_text(encoding="utf-8")
    bomb = f'!!python/object/apply:os.system ["touch {marker}"]'
    path.write_text(text.replace("data_field: code", f"data_field: {bomb}"), encoding="utf-8")
    message = refused(capsys, path)
    assert "case.yaml" in message
    assert not marker.exists()


def test_unknown_keys_are_refused_all_at_once_with_line_and_nearest_key(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    config = case.configured(
        chain={"ouput_path": "x", "wholly_unlike_anything": 1}, arg_train={"classifer": "rf"}, arg_trian={"runs": 2}
    )
    lines = config.read_text(encoding="utf-8").splitlines()
    message = refused(capsys, config)
    for key, nearest in (("ouput_path", "output_path"), ("classifer", "classifier"), ("arg_trian", "arg_train")):
        number = next(k for k, line in enumerate(lines, start=1) if line.strip().startswith(f"{key}:"))
        (line,) = [line for line in message.splitlines() if key in line]
        assert f"line {number}:" in line
        assert nearest in line.replace(key, "")
    assert "wholly_unlike_anything: unknown option" in message
    assert not case.output.exists()


def test_modules_beside_the_configuration_are_not_imported(case: Case) -> None:
    """Neither from the folder where the program is started nor from those of inputs."""
    marker = case.files.folder / "imported"
    for name in ("yaml", "numpy", "rasterio", "sitecustomize", "usercustomize", "external_features", "case", "iota2"):
        code = f"open({str(marker)!r}, 'a').write({name!r})\n"
        (case.files.folder / f"{name}.py").write_text(code, encoding="utf-8")
    program = Path(sys.executable).with_name("iota2")
    done = subprocess.run(
        [program, "check", case.configured()], cwd=case.files.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not marker.exists()
