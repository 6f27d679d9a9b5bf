"""Steps and artifacts: what a chain is made of, as values. How they become jobs is in ``run.plan.jobs``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

AXES = ("tile", "part", "sensor", "region", "seed")
"""The axes of a run. A row of the run's table gives each of them a value; parts are strips of a tile."""

Key = tuple[str | int, ...]
"""Values of an artifact's axes that the job itself does not fix, in the order of ``AXES``."""


Role = Literal["product", "intermediate", "note"]
"""``product``: what a run is made for; ``note``: what tells a person, or the next run, about other files, and the
styles with which these are shown; ``intermediate``: all that steps hand on to each other."""
MEDIA_TYPES = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".qml": "application/xml",
    ".shp": "application/vnd.shp",
    ".sqlite": "application/vnd.sqlite3",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff; application=geotiff",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".zip": "application/zip",
}
"""Media type of each kind of file, by its extension."""


def always(config: Any) -> bool:
    """Whatever the configuration says."""
    return True


@dataclass(frozen=True)
class Artifact:
    """A kind of file; the braces in its path are its axes, or constants of the run."""

    path: str
    """Relative to the output folder: ``envelope/{tile}.shp``."""
    about: str
    """One sentence for the person who opens the folder."""
    when: Callable[[Any], bool] = always
    """Whether a configuration asks for it."""
    role: Role = "intermediate"

    @property
    def media_type(self) -> str | None:
        """Media type by the extension; None for folders, and where the extension is a constant of the run."""
        return MEDIA_TYPES.get(PurePosixPath(self.path).suffix)

    def matches(self, name: str) -> bool:
        """Whether ``name``, relative to the output folder, is its path for some values of its axes."""
        return _pattern(self.path).fullmatch(name) is not None

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes that occur in the path."""
        return tuple(axis for axis in AXES if "{" + axis + "}" in self.path)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """The paths of an artifact; values of axes hold no slash."""
    parts = re.split(r"{\w+}", path)
    return re.compile("[^/]+".join(re.escape(part) for part in parts))


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one job's inputs or outputs, by artifact name.

    ``paths.scene`` is the one path of an artifact whose axes the job fixes; for an artifact with more axes it is
    an error, and ``paths.all("scene")`` maps the free axes' values to paths. A run has a million of them: they are
    kept as text relative to the output folder, and the only one of an artifact stands by itself.
    """

    root: Path
    bound: Mapping[str, str | Mapping[Key, str]]

    def __getattr__(self, name: str) -> Path:
        if name.startswith("__") or name in ("root", "bound"):  # asked for before the instance is filled, by pickle
            raise AttributeError(name)
        try:
            found = self.bound[name]
        except KeyError:
            raise AttributeError(name) from None
        if not isinstance(found, str):
            raise AttributeError(f"{name} has several paths: use all({name!r})")
        return self.root / found

    def all(self, name: str) -> Mapping[Key, Path]:
        """Paths of an artifact by the values of its free axes; one free axis still gives 1-tuples as keys."""
        found = self.bound[name]
        texts = {(): found} if isinstance(found, str) else found
        return {key: self.root / text for key, text in texts.items()}

    def names(self, artifact: str) -> tuple[str, ...]:
        """Paths of an artifact, relative to the output folder."""
        found = self.bound[artifact]
        return (found,) if isinstance(found, str) else tuple(found.values())

    def __contains__(self, name: object) -> bool:
        return name in self.bound


@dataclass(frozen=True)
class Resources:
    """What a job may use. Must not change its result."""

    threads: int = 1
    memory: int = 256 << 20
    """Bytes for arrays of one block and what is made from it."""
    block_shape: tuple[int, int] | None = None
    """Forced block shape, for tests; None computes it from ``memory``."""


@dataclass(frozen=True)
class JobContext:
    """What a job's function gets: input paths, output paths, its key, its parameters, resources. Nothing else."""

    inp: Paths
    out: Paths
    key: Mapping[str, Any]
    """Value of each axis the job fixes: tile, part, region, seed."""
    params: Any
    use: Resources


@dataclass(frozen=True)
class Step:
    """One step of a chain: a function over the distinct values of some axes."""

    name: str
    """Name of its log folder."""
    group: str
    about: str
    task: str
    """Pattern of its job names: ``classification_{tile}_part_{part}``."""
    run: Callable[[JobContext], None]
    over: tuple[str, ...]
    needs: Mapping[str, Artifact]
    makes: Mapping[str, Artifact]
    params: Callable[[Any], Any] = field(default=lambda config: None)
    """The only part of the configuration that the step sees."""
    when: Callable[[Any], bool] = always
    version: int = 1
