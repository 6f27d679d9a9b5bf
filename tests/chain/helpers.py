"""Small made-up archives that a test may spoil, and the program as its user meets it: ``check`` and ``run``."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import yaml
from rasterio.windows import Window

from iota2.chains.load import load_config
from iota2.cli import app, guarded
from iota2.config.options.schema import Config
from iota2.runs import runner
from iota2.testing.files import WorldFiles
from iota2.testing.world import World, WorldOptions, make_world
from iota2.testing.writing import write_world

WEST, EAST = "T31TCJ", "T31TDJ"
IMAGES, MAPS = "EPSG:32631", "EPSG:2154"
DATES = (date(2018, 3, 17), date(2018, 5, 11), date(2018, 8, 9))
SMALL = WorldOptions(size=64, overlap=16, classes=3, dates=DATES)
"""Two tiles of 640 m, three dates, clouds and ground that is never clear: a second or two to map."""


@dataclass(frozen=True)
class Case:
    """A world of its own for one test, in a folder that the test may change as it likes."""

    world: World
    files: WorldFiles

    def configured(self, *, chain: Mapping[str, Any] | None = None, **sections: Mapping[str, Any]) -> Path:
        """Write a configuration with the given options; without more, of one region and with a small forest."""
        content: dict[str, dict[str, Any]] = {
            "chain": {
                "output_path": str(self.output),
                "nomenclature_path": str(self.files.nomenclature),
                "color_table": str(self.files.colors),
                "list_tile": WEST,
                "s2_path": str(self.files.s2_path),
                "ground_truth": str(self.files.ground_truth),
                "data_field": "code",
                "proj": IMAGES,
            }
            | dict(chain or {}),
            "arg_train": {
                "classifier": "rf",
                "otb_classifier_options": {"classifier.rf.nbtrees": 5},
                "sample_selection": {"sampler": "random", "strategy": "constant", "strategy.constant.nb": 150},
                "random_seed": 1,
            },
        }
        for name, options in sections.items():
            content[name] = content.get(name, {}) | dict(options)
        path = self.files.folder / "case.yaml"
        path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    @property
    def output(self) -> Path:
        return self.files.folder / "results"

    def products(self, tile: str = WEST) -> list[Path]:
        """Product folders of a tile by date."""
        return sorted((self.files.s2_path / tile).glob("SENTINEL2*"), key=lambda path: path.name[11:])

    def file(self, pattern: str, date_number: int = 1, tile: str = WEST) -> Path:
        """The one file of a product that matches ``pattern``."""
        (found,) = self.products(tile)[date_number].glob(pattern)
        return found

    def reference(self) -> gpd.GeoDataFrame:
        return self.world.reference.copy()


def made(options: WorldOptions, folder: Path) -> Case:
    """A written world."""
    world = make_world(options)
    return Case(world, write_world(world, folder))


def copied(case: Case, folder: Path) -> Case:
    """The same files in another folder."""
    shutil.copytree(case.files.folder, folder, ignore=shutil.ignore_patterns("results", "IOTA2_Outputs"))
    return Case(case.world, WorldFiles(folder))


def run(config: Path, *, last_step: str | None = None) -> Config:
    """Run the chain, or the steps up to ``last_step``, in this process, quietly."""
    loaded = load_config(config)
    runner.run(loaded, runner.Options(workers=0, last_step=last_step), runner.Watcher())
    return loaded


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of ``iota2 <arguments>``."""
    capsys.readouterr()
    code = guarded(lambda: app([str(argument) for argument in arguments], standalone_mode=False), debug=False)
    message = capsys.readouterr()
    return code, message.out, message.err


def refused(capsys: pytest.CaptureFixture[str], config: Path) -> str:
    """The message of ``iota2 check`` that rejects a configuration, without a traceback."""
    code, _, error = command(capsys, "check", config)
    assert code == 1, error
    assert "Traceback" not in error
    return error


def read(path: Path, band: int = 1) -> np.ndarray:
    with rasterio.open(path) as source:
        values: np.ndarray = source.read(band)
    return values


def on_tile(path: Path, case: Case, tile: str = WEST) -> np.ndarray:
    """A product in the projection of the images on the grid of a tile, 0 where the product ends before."""
    geobox = case.world.tile_geobox(tile)
    with rasterio.open(path) as source:
        col, row = (round(value) for value in ~source.transform @ (geobox.affine.c, geobox.affine.f))
        window = Window(col, row, geobox.shape.x, geobox.shape.y)
        values: np.ndarray = source.read(1, window=window, boundless=True, fill_value=0)
    return values


def said(output: Path) -> dict[str, str]:
    """The texts of a run that tell its reader what to know."""
    names = ("RESULTS.txt", "metrics.json", "report.html")
    return {name: (output / "final" / name).read_text(encoding="utf-8") for name in names}


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The small world; tests that change files copy it first."""
    return _small(tmp_path_factory.getbasetemp() / "small" / "world")


@cache
def _small(folder: Path) -> Case:
    """The small world in a folder, made once for all modules that import the fixture."""
    return made(SMALL, folder)


@pytest.fixture
def case(small: Case, tmp_path: Path) -> Case:
    """A copy of the small world for one test."""
    return copied(small, tmp_path / "case")
