"""The output folder: its creation, its mark, and the removal of earlier outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath

from iota2 import layout
from iota2.chains import BUILDERS
from iota2.classifiers import forest, models, transforms
from iota2.config.options.schema import Config
from iota2.core.files import MAX_NAME_BYTES, read_bytes
from iota2.errors import OutputError, remedy_of, system_text
from iota2.io.files.atomic import SHAPEFILE_SUFFIXES, is_temporary, write_text
from iota2.io.rasters import zarr_store
from iota2.runs.records.lock import LOCK
from iota2.runs.records.records import Ledger
from iota2.runs.records.state import StateFile, remove_obstacle, require

MAX_PATH_BYTES = 3800
"""Maximum length of the path of the output folder; paths of files in it are longer."""
_SYSTEM_FOLDERS = ("/proc", "/sys", "/dev")
"""Folders of the operating system that cannot contain files of users."""
OUTPUT_LIST = layout.OUTPUTS.path
"""List of all outputs that runs in this folder have planned, one path per line."""
_LOGS = "logs/"
"""Folder of the log folders of steps, which the list of outputs contains too: steps of the user may be renamed."""
MAX_PATH_PARTS = 16
"""Maximum number of parts of an output's path."""
_VIEWER_SUFFIXES = (".aux.xml", ".ovr")
"""Suffixes that viewers append to the name of a raster for additional files."""
_STEPS = [step for builder in BUILDERS for step in builder.steps]
_FOLDERS = dict.fromkeys((*layout.FOLDERS, *(folder for builder in BUILDERS for folder in builder.folders)))
_MADE_BY_JOBS = {artifact.path for step in _STEPS for artifact in step.makes.values()}
RUN_FILES = frozenset(known.path for known in layout.artifacts()) - _MADE_BY_JOBS
"""Paths that every run writes in addition to the outputs of jobs."""
_MODEL_FILES = (models.FILE, forest.FILE)
"""Files in the folder of a model, which is one output."""
_TRANSFORM = re.compile(rf"\d+_({'|'.join(transforms.LOADERS)})/(mean|scale|axes)\.npy")
"""Pattern of arrays of transforms in the folder of a model."""
_LOG_OR_PAGE = re.compile(
    r"logs/workers/worker-[^/]+\.log|logs/html/([a-z0-9_]+_content\.html|style\.css|svg-pan-zoom\.LICENSE\.txt)"
)
"""Pattern of logs of workers, and of pages of the run report that are not in ``RUN_FILES``."""


@cache
def _job_files(steps: frozenset[str]) -> re.Pattern[str]:
    """Pattern of logs, heartbeats and pages of jobs of some steps."""
    step = f"({'|'.join(sorted(map(re.escape, steps)))})"
    return re.compile(
        rf"logs/{step}/[^/]+\.(out|err)"
        rf"|logs/under_way/\.?{step}-[0-9a-f]{{12}}\.json"
        rf"|logs/html/jobs/{step}-[0-9a-f]{{12}}\.html"
    )


def require_usable(root: Path) -> None:
    """Raise OutputError if a run cannot write its results to this folder; nothing is written.

    Usable folders are empty, made by this program, or missing below a writable folder.
    """
    if problem := _unusable(root):
        raise OutputError.about(("chain", "output_path"), problem)


def _unusable(root: Path) -> str | None:
    """Why a folder cannot be used for results, with a remedy; None for a usable folder."""
    if any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in root.parts) or len(os.fsencode(root)) > MAX_PATH_BYTES:
        return f"the path is longer than file systems allow ({str(root)[:60]}…). Choose another folder."
    try:
        nearest = next(folder for folder in (root, *root.parents) if os.path.lexists(folder))
        if not nearest.is_dir():
            return _not_a_folder(nearest)
        in_system = any(nearest.resolve().is_relative_to(system) for system in _SYSTEM_FOLDERS)
        if in_system and not _in_shared_memory(nearest):
            return f"{nearest} belongs to the operating system. Choose another folder."
        if nearest != root:
            return _not_writable(nearest)
        folders = [root, *(root / name for name in (layout.MARK, *_FOLDERS))]
        there = [folder for folder in folders if os.path.lexists(folder)]
        return (
            next((_not_a_folder(folder) for folder in there if not folder.is_dir()), None)
            or next(filter(None, map(_not_writable, there)), None)
            or _foreign_content(root)
        )
    except OSError as err:
        return f"{err.filename or root} cannot be accessed ({err.strerror}). {remedy_of(err)}"


def _in_shared_memory(folder: Path) -> bool:
    return folder.resolve().is_relative_to("/dev/shm")


def _not_a_folder(path: Path) -> str:
    """Why a path that exists, perhaps as a broken link, cannot be a folder for results, with a remedy."""
    what = "is a broken symbolic link"
    if path.exists():
        what = "is a file" if path.is_file() else "is neither a file nor a folder"
    return f"{path} {what}; expected a folder. Move it, or choose another folder."


def _not_writable(folder: Path) -> str | None:
    """Why an existing folder is not writable; None for a writable one."""
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return None
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"{folder} is on a read-only file system. Choose another folder."
    return f"{folder} cannot be written to or listed. Correct its permissions, or choose another folder."


def _foreign_content(root: Path) -> str | None:
    """Why an existing folder cannot be used: it is not empty and not from this program; else None."""
    entries = sorted(os.listdir(root))
    if not entries or layout.MARK in entries:
        return None
    return (
        f"{root} is not empty and was not made by this program (it contains {', '.join(entries[:3])}). Choose another "
        "folder, or empty it yourself."
    )


def location_notes(config: Config) -> list[str]:
    """A note with the location of a relative output folder, unless it is relative to the working directory."""
    written = _written(config)
    if written is None or config.chain.paths_from or config.source.parent.resolve() == Path.cwd().resolve():
        return []
    return [
        f"chain.output_path: '{written}' is relative to the folder of the configuration; results are in "
        f"{config.chain.output_path}"
    ]


def results_elsewhere(config: Config) -> list[str]:
    """A warning if a relative ``output_path`` has earlier results under another base folder.

    Base folders are the working directory and the folder of the configuration.
    """
    written, here = _written(config), config.chain.output_path
    if written is None:
        return []
    home, start = config.source.parent, Path.cwd()
    elsewhere = [(start / written, "add --paths-from ."), (home / written, "remove --paths-from")]
    return [
        f"chain.output_path: RESULTS OF AN EARLIER RUN ARE IN {other}, and this command uses {here}. To use those, "
        f"{remedy} or give the whole path in the configuration"
        for other, remedy in elsewhere
        if other.resolve() != here.resolve() and os.path.isdir(other / layout.MARK)
    ]


def _written(config: Config) -> str | None:
    """The output folder as written in the configuration; None for an absolute path."""
    node = config.places.node("chain", "output_path")
    text = str(node.plain()) if node else ""
    return None if not text or Path(text).expanduser().is_absolute() else text


def claim(root: Path) -> None:
    """Create the output folder and its mark; OutputError, without changes, for a folder of another origin."""
    require_usable(root)
    try:
        (root / layout.MARK).mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(f"chain.output_path: cannot write into {root}: {system_text(err)}") from err


def prepare(
    root: Path, outputs: Iterable[str], folders: Iterable[str] = (), *, steps: Iterable[str] = (), remove: bool
) -> None:
    """Create the folders of a claimed output; with ``remove``, delete outputs of earlier runs first.

    ``folders`` are those of the builders, in addition to those of every run. ``outputs`` are the files and folders that
    this run may make, relative to ``root``; ``steps`` are the names of its steps, which have log folders. OutputError,
    without deleting anything, if the folder contains files that no run has planned.
    """
    if remove:
        empty(root, removable(root))
    planned = set(outputs)
    require_ours(root, planned)
    made = planned.union(_made(root), (f"{_LOGS}{step}" for step in steps))
    for folder in (*layout.FOLDERS, *folders):
        (root / folder).mkdir(parents=True, exist_ok=True)
    remove_obstacle(root / OUTPUT_LIST)
    write_text(root / OUTPUT_LIST, "\n".join(sorted(made)))


def require_ours(root: Path, outputs: Iterable[str]) -> None:
    """Raise OutputError if a run would overwrite files in a folder without a list of outputs of earlier runs.

    A damaged list or damaged records also prove an earlier run.
    """
    if any(os.path.lexists(root / name) for name in (OUTPUT_LIST, layout.RECORDS.path)):
        return
    theirs = sorted(name for name in set(outputs) if os.path.lexists(root / name))
    if theirs:
        raise OutputError(
            f"chain.output_path: {root} contains files that no record of a run lists ({', '.join(theirs[:3])}), and a "
            "run would overwrite them. Move them away or choose another folder."
        )


def left_over(root: Path, outputs: Iterable[str]) -> list[str]:
    """Existing outputs of earlier runs that are not in ``outputs``, products first."""
    earlier = (name for name in _made(root) if not name.startswith(_LOGS))
    unmade = sorted(set(earlier).difference(outputs), key=lambda name: (layout.product_of(name) is None, name))
    return [name for name in unmade if (root / name).exists()]


def _made(root: Path) -> list[str]:
    """The outputs of all runs in this folder; for a damaged list, its readable lines and the records."""
    if OUTPUT_LIST_FILE.damage_note(root) or not os.path.lexists(root / OUTPUT_LIST):
        return [
            *_whole_lines(root / OUTPUT_LIST),
            *(name for one in Ledger(root).records.values() for name in one.outputs),
        ]
    return OUTPUT_LIST_FILE.load(root)


def _whole_lines(path: Path) -> list[str]:
    """The readable lines of a damaged list."""
    try:
        lines = read_bytes(path).decode(errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if "\N{REPLACEMENT CHARACTER}" not in line and _is_name(line)]


def _parsed(text: str) -> list[str]:
    names = text.splitlines()
    require(all(map(_is_name, names)), "expected paths in the output folder")
    return names


def _is_name(line: str) -> bool:
    """Whether a line may be the name of an output."""
    path = PurePosixPath(line)
    short = all(len(os.fsencode(part)) <= MAX_NAME_BYTES for part in path.parts) and len(path.parts) <= MAX_PATH_PARTS
    return bool(line) and "\0" not in line and not path.is_absolute() and ".." not in path.parts and short


OUTPUT_LIST_FILE: StateFile[list[str]] = StateFile(
    OUTPUT_LIST, _parsed, list, "It is recreated from its readable lines and the records."
)
"""State file of the planned outputs of all runs."""


def removable(root: Path, steps: Iterable[str] = ()) -> list[Path]:
    """The files to delete when a claimed output is emptied: all except the lock and the list of damaged inputs.

    The list of outputs comes last, so that an interrupted deletion can be resumed. OutputError if the folder contains
    files that no run has planned. ``steps`` are names of the user's own steps.
    """
    if root.resolve() in (Path("/"), Path.home()):
        raise OutputError(f"chain.remove_output_path: {root} is never emptied. Choose another output folder.")
    if (root / layout.MARK).is_symlink():
        raise OutputError(
            f"chain.remove_output_path: {root / layout.MARK} is a symbolic link, so its lists may belong to another "
            "folder; nothing was removed. Choose another output folder."
        )
    made = set(_made(root))
    earlier = (name.removeprefix(_LOGS) for name in made if name.startswith(_LOGS))
    known = frozenset((*(step.name for step in _STEPS), *steps, *earlier))
    names = list(_files(root))
    foreign = [name for name in names if not _is_own(name, made, known)]
    if foreign:
        raise OutputError(
            f"chain.remove_output_path: {root} contains files that this program did not make "
            f"({', '.join(foreign[:3])}); nothing was removed. Move them away or choose another output folder."
        )
    kept = (LOCK, layout.DAMAGED.path)  # damaged inputs concern every run
    going = [name for name in names if name not in kept]
    return [root / name for name in sorted(going, key=OUTPUT_LIST.__eq__)]


def empty(root: Path, files: Iterable[Path]) -> None:
    """Delete the files listed by ``removable``, then empty folders.

    Files that appeared since are kept, and so is the log folder of cluster workers, which may already use it.
    """
    for path in files:
        path.unlink(missing_ok=True)
    kept = {root, root / layout.MARK, root / "logs", (root / layout.LOG_WORKER.path).parent}
    for folder, _, _ in os.walk(root, topdown=False):
        if Path(folder) not in kept:
            with suppress(OSError):  # it is not empty
                os.rmdir(folder)


def _files(root: Path) -> Iterator[str]:
    """All files and links below the folder, without following links."""
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(root).as_posix()


def _is_own(name: str, made: Set[str], steps: frozenset[str]) -> bool:
    """Whether this is the name of a file that runs in this folder make, or that viewers add to one.

    Without planned outputs, only state files of runs qualify. ``steps`` are the names of steps that may have logs.
    """
    if not made:
        return name in RUN_FILES and name.startswith(f"{layout.MARK}/")
    path = Path(name)
    plain = name
    for ending in _VIEWER_SUFFIXES:
        plain = plain.removesuffix(ending)
    return (
        name in RUN_FILES
        or plain in made
        or any(name.endswith(s) and f"{name.removesuffix(s)}.shp" in made for s in SHAPEFILE_SUFFIXES)
        or (path.name in _MODEL_FILES and path.parent.as_posix() in made)
        or (_TRANSFORM.fullmatch(f"{path.parent.name}/{path.name}") is not None and path.parents[1].as_posix() in made)
        or _in_store(name, made)
        or _LOG_OR_PAGE.fullmatch(name) is not None
        or _job_files(steps).fullmatch(name) is not None
        or any(is_temporary(part) for part in path.parts)
    )


def _in_store(name: str, made: Set[str]) -> bool:
    """Whether this is a file of a Zarr store that runs make."""
    folders = map(str, PurePosixPath(name).parents)
    return any(
        folder in made and zarr_store.MEMBER.fullmatch(name.removeprefix(f"{folder}/")) is not None
        for folder in folders
    )
