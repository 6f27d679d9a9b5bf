"""A small synthetic world, written once per session."""

from __future__ import annotations

import pytest

from iota2.testing.files import WorldFiles
from iota2.testing.world import World, WorldOptions, make_world
from iota2.testing.writing import write_world


@pytest.fixture(scope="session")
def world() -> World:
    return make_world(WorldOptions(size=200, overlap=60))


@pytest.fixture(scope="session")
def files(world, tmp_path_factory) -> WorldFiles:
    return write_world(world, tmp_path_factory.mktemp("made up é") / "world")
