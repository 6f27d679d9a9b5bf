"""User-defined builders: Python files in the folders of ``builders.builders_paths``.

The files are modules of the package ``iota2_builders``, whose search path consists of these folders. The files can
import each other and cannot shadow other modules. Importing a file executes its code, so only configured folders are
imported.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from iota2.core.builder import Builder
from iota2.core.graph import Step
from iota2.errors import UserError, message_of

PACKAGE = "iota2_builders"
"""The package whose modules are files of the user."""
_MAX_DEPTH = 2
"""Levels of subfolders of a folder of builders that are searched for Python files: it may also contain images."""


def use_folders(folders: Sequence[Path]) -> None:
    """Set the search path of ``iota2_builders`` to these folders. Modules imported before are imported again."""
    package = sys.modules.get(PACKAGE)
    if package is None:
        package = sys.modules[PACKAGE] = ModuleType(PACKAGE, "User-defined builders.")
        package.__path__ = []
    for name in [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]:
        del sys.modules[name]
    package.__path__ = [str(folder) for folder in folders]
    importlib.invalidate_caches()


def builder_folders() -> tuple[str, ...]:
    """The folders whose files are modules of the package at present."""
    return tuple(getattr(sys.modules.get(PACKAGE), "__path__", ()))


def python_files(folders: Sequence[Path]) -> list[Path]:
    """The Python files of some folders and of the packages in them, by folder, depth and path.

    Hidden files and folders, and subfolders that cannot be read, are left out.
    """
    return [file for folder in folders for file in sorted(_visible(folder), key=lambda one: (len(one.parts), one))]


def _visible(folder: Path) -> Iterator[Path]:
    """The Python files in a folder and its subfolders."""
    for place, subfolders, names in os.walk(folder, followlinks=True):
        deep = len(Path(place).parts) - len(folder.parts)
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and deep < _MAX_DEPTH]
        files = (Path(place, name) for name in names if name.endswith(".py") and not name.startswith("."))
        yield from (file for file in files if file.is_file())


def builders_in(folders: Sequence[Path], known: Sequence[Builder] = ()) -> list[Builder]:
    """The builders in the Python files of the folders, in the order of ``python_files``.

    Every public value of type ``Builder`` is used, except those of ``known`` that a file imports; files whose names
    begin with ``_`` are for the others to import. Steps other than those of ``known`` run again when any Python file
    changes. Raises UserError for a file that cannot be imported, with the line of the error, for two files of the same
    name, and when no file defines a builder.
    """
    use_folders(folders)
    files = python_files(folders)
    modules = [file for file in files if file.parent in folders]
    _require_distinct(modules)
    found: dict[int, tuple[Builder, Path]] = {}
    for file in modules:
        for name, value in vars(_imported(file)).items() if not file.name.startswith("_") else ():
            if isinstance(value, Builder) and not name.startswith("_") and value not in known:
                found.setdefault(id(value), (value, file))
    if not found:
        raise UserError(f"no Python file in {', '.join(map(str, folders))} defines a value of type Builder")
    return _versioned(list(found.values()), files, [step for builder in known for step in builder.steps])


def _require_distinct(files: Sequence[Path]) -> None:
    """UserError for two files of the same name, which would be one module."""
    first: dict[str, Path] = {}
    for file in files:
        if (other := first.setdefault(file.stem, file)) != file:
            raise UserError(f"{other} and {file} have the same name; rename one of them")


def _versioned(found: Sequence[tuple[Builder, Path]], files: Sequence[Path], known: Sequence[Step]) -> list[Builder]:
    """The builders with their files, and steps of the user with a version that depends on the content of all ``files``.

    Shared steps stay shared.
    """
    version = int.from_bytes(hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()[:6])
    source = ", ".join(dict.fromkeys(f"{file.parent}{os.sep}*.py" for file in files))
    steps: dict[int, Step] = {id(step): step for step in known}

    def versioned(step: Step) -> Step:
        return steps.setdefault(id(step), _guarded(replace(step, version=version, source=source)))

    return [replace(one, steps=tuple(map(versioned, one.steps)), source=str(file)) for one, file in found]


def _guarded(step: Step) -> Step:
    """A step whose functions before the run raise UserError with file and line instead of other errors."""
    shape = step.block_shape
    return replace(
        step,
        when=_guard(step.when, step, "when"),
        params=_guard(step.params, step, "params"),
        cost=_guard(step.cost, step, "cost"),
        check=_guard(step.check, step, "check"),
        block_shape=None if shape is None else _guard(shape, step, "block_shape"),
    )


def _guard(function: Callable[..., Any], step: Step, name: str) -> Callable[..., Any]:
    """A function of the user, guarded by ``_call``; functions of the program unchanged."""
    owner = getattr(function, "func", function)
    if str(getattr(owner, "__module__", "")).startswith("iota2."):
        return function
    return partial(_call, function, f"{step.source}: step {step.name}", name)


def _call(function: Callable[..., Any], where: str, name: str, *given: Any) -> Any:
    """The result of a function of a step; UserError, with file and line, if it fails."""
    try:
        found = function(*given)
        if name == "check":
            found = list(found) if isinstance(found, Iterable) else found
    except (UserError, MemoryError):
        raise
    except Exception as err:
        position = position_of(err) or f"{type(err).__name__}: "
        raise UserError(f"{where}: {name} failed: {position}{message_of(err)}") from err
    if name == "when" and not isinstance(found, bool):
        raise UserError(f"{where}: when returned {found!r}; expected True or False")
    return found


def _imported(file: Path) -> ModuleType:
    if not file.stem.isidentifier():
        raise UserError(f"{file}: cannot be imported under this name; expected letters, digits and _")
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # no __pycache__ in the user's folder
    try:
        with redirect_stdout(sys.stderr):  # standard output may be read by programs
            return importlib.import_module(f"{PACKAGE}.{file.stem}")
    except KeyboardInterrupt:
        raise
    except BaseException as err:
        where = position_of(err) or f"{file}: {type(err).__name__}: "
        raise UserError(where + message_of(err)) from err
    finally:
        sys.dont_write_bytecode = writes


def position_of(error: BaseException) -> str:
    """File and line of the user's code that raised an error, and its type: ``mine/a.py, line 7: KeyError: ``.

    Empty if no file of the user is in the traceback.
    """
    folders = builder_folders()
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((str(error.filename), error.lineno))
    lines = [f"{name}, line {line}: " for name, line in frames if os.path.dirname(name) in folders]
    return f"{lines[-1]}{type(error).__name__}: " if lines else ""
