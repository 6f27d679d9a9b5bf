"""Features maps as Zarr stores: the same values as the GeoTIFF file, whatever the division of the work."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import rasterio
import xarray as xr
import yaml

from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.core.graph import Resources
from iota2.io.rasters.files import raster_geobox
from iota2.runs import runner
from iota2.runs.preview import survey_and_plan
from iota2.runs.verify import verify
from iota2.steps.features_map import strips
from iota2.testing.files import WorldFiles
from tests.chain import test_hard_cases_images as zones
from tests.chain.conftest import run_chain
from tests.chain.helpers import EAST, MAPS, WEST, Case, command, small
from tests.docs.helpers import ROOT, blocks

__all__ = ["small"]

STORE, STATISTICS = "final/features_map.zarr", "final/features_map_statistics.json"
RICH: dict[str, Any] = {
    "arg_train": {"features": ["NDVI"], "temporal_features": ["differences", "statistics"]},
    "Sentinel_2": {"keep_bands": ["B4", "B8", "B11"]},
    "iota2_feature_extraction": {"extract_bands": True},
}
"""Features of every kind, of a few bands."""


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Dask computes in threads: a client that other tests left behind would have no workers."""
    with dask.config.set(scheduler="threads"):
        yield


def configured(
    files: WorldFiles, folder: Path, *, form: str = "zarr", tiles: str = f"{WEST} {EAST}", **sections: Any
) -> Config:
    """A configuration of a features map in ``MAPS``."""
    content: dict[str, Any] = {
        "chain": {
            "output_path": str(folder / "results"),
            "list_tile": tiles,
            "s2_path": str(files.s2_path),
            "proj": MAPS,
            "spatial_resolution": 10,
        },
        "builders": {"builders_class_name": ["I2FeaturesMap"]},
        "features_map": {"output_format": form, "raw_series": True},
    }
    for name, options in {"arg_train": {"features": ["NDVI"]}, **sections}.items():
        content[name] = content.get(name, {}) | options
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_config(folder / "run.yaml")


def layers_of(store: Path, geotiff: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name and (y, x) values of each band, from the GeoTIFF and from the store, on the grid of the GeoTIFF."""
    found = xr.open_zarr(store)
    with rasterio.open(geotiff) as source:
        grid = raster_geobox(geotiff)
        x = grid.affine.c + (np.arange(grid.shape.x) + 0.5) * grid.affine.a
        y = grid.affine.f + (np.arange(grid.shape.y) + 0.5) * grid.affine.e
        found = found.sel(x=x, y=y).load()
        for band, name in enumerate(source.descriptions, start=1):
            values = source.read(band, masked=True).filled(np.nan)
            day = source.tags(band).get("DATE")
            if day:
                layer = found["features"].sel(time=day, band=name.removesuffix(f"_{day.replace('-', '')}"))
            else:
                layer = found["undated"].sel(feature=name)
            yield name, values, layer.to_numpy()


def require_close(one: Path, other: Path) -> None:
    """Require that two files have the same statistics, but for rounding."""
    found, expected = (json.loads(path.read_text(encoding="utf-8")) for path in (one, other))
    assert found["pixels"] == expected["pixels"]
    for first, second in zip(found["bands"], expected["bands"], strict=True):
        for key, value in first.items():
            if isinstance(value, float):
                assert value == pytest.approx(second[key], rel=1e-9), first["name"]
            else:
                assert value == second[key], first["name"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def mapped(small: Case, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Output folders of a rich map of two tiles, by format."""
    found = {}
    for form in ("geotiff", "zarr"):
        config = configured(small.files, tmp_path_factory.mktemp(form), form=form, **RICH)
        run_chain(config)
        found[form] = config.chain.output_path
    return found


@pytest.fixture
def copy(mapped: dict[str, Path], small: Case, tmp_path: Path) -> Config:
    """A copy of the results, which a test may change."""
    shutil.copytree(mapped["zarr"], tmp_path / "results")
    return configured(small.files, tmp_path, **RICH)


def done(config: Config) -> set[str]:
    """Steps whose jobs a new run executes."""
    results = runner.run(config, runner.Options(workers=0), runner.Watcher())
    return {id_.split("/")[0] for id_, result in results.items() if result.state == "done"}


@pytest.mark.slow
def test_all_bands_are_those_of_the_geotiff(mapped: dict[str, Path]) -> None:
    kinds = set()
    for name, expected, found in layers_of(mapped["zarr"] / STORE, mapped["geotiff"] / "final/features_map.tif"):
        np.testing.assert_array_equal(found, expected, name)
        kinds.add(name.startswith("raw_"))
        assert np.isfinite(found).any() or name.startswith("raw_")
    assert kinds == {True, False}
    assert not (mapped["zarr"] / "final/features_map.tif").exists()
    assert not (mapped["geotiff"] / STORE).exists()


@pytest.mark.slow
def test_the_statistics_are_those_of_the_geotiff(mapped: dict[str, Path]) -> None:
    require_close(*(mapped[form] / STATISTICS for form in ("geotiff", "zarr")))


@pytest.mark.long
@pytest.mark.slow
def test_the_bytes_do_not_depend_on_workers_and_blocks(mapped: dict[str, Path], small: Case, tmp_path: Path) -> None:
    config = configured(small.files, tmp_path, **RICH)
    use = Resources(block_shape=(32, 48), memory=1 << 20)
    runner.run(config, runner.Options(workers=2, use=use), runner.Watcher())
    for name in (STORE, "by_tiles/zarr"):
        assert contents(config.chain.output_path / name) == contents(mapped["zarr"] / name)


@pytest.mark.slow
def test_tiles_of_two_zones_far_apart_leave_strips_without_files(
    small: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second tile is 22 km south of the first: no tile touches the second of three strips."""
    files = WorldFiles(tmp_path / "zones")
    north, south = zones.ZONES
    zones.write_zone(north, small, files.s2_path)
    monkeypatch.setattr(zones, "LATITUDE", zones.LATITUDE - 0.2)
    zones.write_zone(south, small, files.s2_path)
    options = {"tiles": f"{north} {south}", "iota2_feature_extraction": {"copy_input": False}}
    config = configured(files, tmp_path / "zarr", **options)
    _, plan = survey_and_plan(config)
    jobs = {job.key["strip"]: job for job in plan.jobs if job.step is strips.STEP}
    assert [*jobs] == [0, 2]
    assert [key.tile for key, _ in jobs[0].inp.each("parts")] == [north]
    assert [key.tile for key, _ in jobs[2].inp.each("scene")] == [south]
    run_chain(config)
    expected = configured(files, tmp_path / "geotiff", form="geotiff", **options)
    run_chain(expected)
    store = config.chain.output_path / STORE
    assert {path.parent.name for path in (store / "features/c").glob("*/*/*/*")} == {"0", "2"}
    seen = 0
    for name, values, found in layers_of(store, expected.chain.output_path / "final/features_map.tif"):
        np.testing.assert_array_equal(found, values, name)
        seen += np.isfinite(found).sum()
    assert seen > 10_000
    require_close(*(one.chain.output_path / STATISTICS for one in (config, expected)))


@pytest.mark.slow
def test_a_second_run_has_nothing_to_do_and_a_lost_file_is_made_again(copy: Config) -> None:
    root = copy.chain.output_path
    before = contents(root / STORE)
    assert done(copy) == set()
    lost = next(path for path in (root / STORE / "features/c").rglob("*") if path.is_file())
    lost.unlink()
    assert verify(copy, deep=False).damaged == (STORE,)
    assert done(copy) == {"featuresMapZarr"}
    assert contents(root / STORE) == before
    strip = root / "by_tiles/zarr/strip_0"
    (strip / "features" / "c" / lost.relative_to(root / STORE / "features/c")).unlink()
    assert done(copy) == {"featuresMapStrips"}, "its bytes are the same as before: the store is up to date"
    assert contents(root / STORE) == before


@pytest.mark.slow
def test_the_store_is_removed_with_all_other_outputs(copy: Config, capsys: pytest.CaptureFixture[str]) -> None:
    root = copy.chain.output_path
    before = contents(root / STORE)
    text = copy.source.read_text(encoding="utf-8").replace("output_path", "remove_output_path: true\n  output_path", 1)
    copy.source.write_text(text, encoding="utf-8")
    (root / STORE / "thesis.txt").write_text("x", encoding="utf-8")
    code, _, error = command(capsys, "run", copy.source, "--workers", "0")
    assert code == 1
    assert "thesis.txt" in error
    (root / STORE / "thesis.txt").unlink()
    code, said, error = command(capsys, "run", copy.source, "--workers", "0", "--last-step", "init")
    assert code == 0, error
    assert "removing" in said
    assert not (root / STORE).exists()
    assert not (root / "by_tiles/zarr").exists()
    run_chain(load_config(copy.source))
    assert contents(root / STORE) == before


def killed(config: Config) -> None:
    """Run in a forked process that is killed while it writes the store of a strip."""
    child = os.fork()
    if child == 0:
        try:
            real = strips._values

            def values(*arguments: Any, **options: Any) -> Any:
                if arguments[2].position == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **options)

            strips._values = values  # in this process only
            run_chain(config)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.slow
def test_a_run_killed_in_a_strip_continues_with_it(copy: Config) -> None:
    root = copy.chain.output_path
    before = contents(root / STORE)
    shutil.rmtree(root / "by_tiles/zarr")
    shutil.rmtree(root / STORE)
    killed(copy)
    assert not (root / "by_tiles/zarr/strip_0").exists()
    assert done(copy) == {"featuresMapStrips", "featuresMapZarr"}
    assert contents(root / STORE) == before
    assert not list(root.rglob(".*part*"))


@pytest.mark.slow
def test_the_plan_counts_the_strips(copy: Config, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, error = command(capsys, "check", copy.source)
    assert code == 0, error
    assert "the map has 113 x 65 pixels" in said + error
    code, said, error = command(capsys, "plan", copy.source)
    assert code == 0, error
    assert "featuresMapStrips" in said


@pytest.mark.slow
def test_the_code_of_the_how_to_page_reads_the_store(copy: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copy.chain.output_path.parent)
    (code,) = blocks(ROOT / "docs/howto/features-map.md", "python")
    found: dict[str, Any] = {}
    exec(code.replace("2018-06-01", "2018-05-01"), found)  # the images of the test end in August
    assert found["summer"].shape == found["features"]["features"].shape[2:]
    assert np.isfinite(found["summer"].to_numpy()).any()
    assert found["features"]["features"].chunks is not None
