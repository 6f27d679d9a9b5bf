"""The folder of the demo: nothing of the user's is overwritten, and an unchanged demo is written again."""

import shutil

import pytest

from iota2.chains.load import load_config
from iota2.errors import UserError
from iota2.testing.demo import MARK, WRITTEN, write_demo
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, WorldOptions, make_world


@pytest.fixture(scope="module")
def world():
    return make_world(WorldOptions(size=64, overlap=16, classes=3, dates=DATES[:1]))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_configuration_of_a_copied_demo_refers_to_the_copy(world, tmp_path):
    files, kept = write_demo(world, tmp_path / "demo")
    assert kept == []
    shutil.copytree(files.folder, tmp_path / "copy")
    chain, copy = load_config(tmp_path / "copy/demo.cfg").chain, WorldFiles(tmp_path / "copy")
    assert (chain.output_path, chain.s2_path) == (copy.output, copy.s2_path)
    assert (chain.ground_truth, chain.region_path) == (copy.ground_truth, copy.regions)
    assert (chain.nomenclature_path, chain.color_table) == (copy.nomenclature, copy.colors)
    assert write_demo(world, tmp_path / "copy")[1] == []


def test_a_demo_refuses_a_folder_with_other_files(world, tmp_path):
    (tmp_path / "vector_data").mkdir()
    (tmp_path / "nomenclature.txt").write_text("mine", encoding="utf-8")
    before = contents(tmp_path)
    with pytest.raises(UserError, match=r"not made by the demo \(it contains nomenclature.txt, vector_data\)"):
        write_demo(world, tmp_path)
    assert contents(tmp_path) == before


def test_a_demo_keeps_the_files_that_were_edited_and_replaces_its_own(world, tmp_path):
    files, _ = write_demo(world, tmp_path)
    edits = {
        files.config: files.config.read_text("utf-8").replace("runs : 1", "runs : 2"),
        files.nomenclature: "wheat:1\n",
    }
    for path, text in edits.items():
        path.write_text(text, encoding="utf-8")
    files.colors.unlink()
    other = make_world(WorldOptions(size=64, overlap=16, classes=3, dates=DATES[:1], noise=300.0))
    assert write_demo(other, tmp_path)[1] == ["demo.cfg", "nomenclature.txt"]
    assert {path: path.read_text("utf-8") for path in edits} == edits
    fresh, _ = write_demo(other, tmp_path.with_name("fresh"))
    names = {path.relative_to(tmp_path) for path in edits} | {files.folder.joinpath(WRITTEN).relative_to(tmp_path)}
    assert {k: v for k, v in contents(tmp_path).items() if k not in names} == {
        k: v for k, v in contents(fresh.folder).items() if k not in names
    }


def test_an_interrupted_demo_is_written_completely(world, tmp_path):
    (tmp_path / MARK / "new").mkdir(parents=True)
    (tmp_path / MARK / "new" / "half.tif").touch()
    assert write_demo(world, tmp_path)[1] == []
    assert not (tmp_path / "half.tif").exists()
    assert load_config(tmp_path / "demo.cfg").chain.s2_path == WorldFiles(tmp_path).s2_path


def test_a_file_in_the_place_of_a_new_one_is_kept(world, tmp_path):
    write_demo(world, tmp_path)
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "T31TCJ").write_text("mine", encoding="utf-8")
    more = make_world(WorldOptions(size=64, overlap=16, classes=3, dates=DATES[:1], sensors=("Sentinel2", "userFeat")))
    with pytest.raises(OSError, match="T31TCJ"):
        write_demo(more, tmp_path)
    assert (tmp_path / "layers" / "T31TCJ").read_text("utf-8") == "mine"
