"""A made-up world, written once, and the chain run on it, once, for all tests that look at a whole run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.core.graph import Resources
from iota2.runs import runner
from iota2.testing.files import WorldFiles
from iota2.testing.world import World, WorldOptions, make_world
from iota2.testing.writing import write_world

SMALL = WorldOptions(size=160, overlap=48)
"""Every class in both regions, clouds, an orbit edge, ground that is never clear; seconds to map."""


@dataclass(frozen=True)
class Mapped:
    """A world and what the chain made of it."""

    world: World
    files: WorldFiles
    config: Config

    @property
    def root(self) -> Path:
        return self.config.chain.output_path

    def final(self, name: str) -> Path:
        return self.root / "final" / name


def configured(files: WorldFiles, folder: Path, edit: Callable[[str], str] = lambda text: text) -> Config:
    """The demo's configuration with another output folder, and edited."""
    text = files.config.read_text(encoding="utf-8")
    text = edit(text.replace(str(files.output), str(folder / "results")))
    path = folder / "run.cfg"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def run_chain(
    config: Config,
    *,
    workers: int = 0,
    block_shape: tuple[int, int] | None = None,
    last_step: str | None = None,
) -> None:
    """Run everything, or the steps up to ``last_step``, quietly."""
    use = Resources(block_shape=block_shape)
    runner.run(config, runner.Options(workers=workers, last_step=last_step, use=use), runner.Watcher())


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, WorldFiles]:
    world = make_world(SMALL)
    return world, write_world(world, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def mapped(small_world: tuple[World, WorldFiles], tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    """The small world mapped with the demo's configuration."""
    world, files = small_world
    config = configured(files, tmp_path_factory.mktemp("mapped"))
    run_chain(config)
    return Mapped(world, files, config)
