"""User-defined builders: Python files in the folders of ``builders.builders_paths``.

The files are modules of the package ``iota2_builders``, whose search path consists of these folders. The files can
import each other and cannot shadow other modules. Importing a file executes its code, so only configured folders are
imported.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from iota2.core.builder import Builder
from iota2.core.graph import Step
from iota2.errors import UserError, message_of

PACKAGE = "iota2_builders"
"""Name of the package that contains the user's files as modules."""


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


def python_files(folders: Sequence[Path]) -> list[Path]:
    """All Python files of the folders, in the order of the folders and by name."""
    return [file for folder in folders for file in sorted(folder.glob("*.py"))]


def builders_in(folders: Sequence[Path], known: Sequence[Builder] = ()) -> list[Builder]:
    """The builders in the Python files of the folders, in the order of ``python_files``.

    Every public variable of type ``Builder`` is used, except builders in ``known``. Files whose names begin with ``_``
    are helpers for imports only. Steps with functions in these files run again after a change of any of the files.
    Raises UserError for a file that cannot be imported, with the line of the error, and if no file defines a builder.
    """
    use_folders(folders)
    files = python_files(folders)
    found: dict[int, tuple[Builder, Path]] = {}
    for file in files:
        for name, value in vars(_imported(file)).items() if not file.name.startswith("_") else ():
            if isinstance(value, Builder) and not name.startswith("_") and value not in known:
                found.setdefault(id(value), (value, file))
    if not found:
        raise UserError(
            f"no Python file in {', '.join(map(str, folders))} has a Builder; see the how-to 'Add a builder'"
        )
    version = int.from_bytes(hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()[:6])
    return _versioned(list(found.values()), version)


def _versioned(found: Sequence[tuple[Builder, Path]], version: int) -> list[Builder]:
    """The builders with their files as ``source``, and with ``version`` in user-defined steps. Shared steps stay
    shared."""
    steps: dict[int, Step] = {}

    def versioned(step: Step) -> Step:
        if not step.run.__module__.startswith(f"{PACKAGE}."):
            return step
        return steps.setdefault(id(step), replace(step, version=version))

    return [replace(one, steps=tuple(map(versioned, one.steps)), source=str(file)) for one, file in found]


def _imported(file: Path) -> ModuleType:
    if not file.stem.isidentifier():
        raise UserError(f"{file}: cannot be imported under this name; expected letters, digits and _")
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # no __pycache__ in the user's folder
    try:
        return importlib.import_module(f"{PACKAGE}.{file.stem}")
    except Exception as err:
        raise UserError(f"{file}{_line_of(err, file)}: {type(err).__name__}: {message_of(err)}") from err
    finally:
        sys.dont_write_bytecode = writes


def _line_of(err: Exception, file: Path) -> str:
    """The last line of the file in the traceback of an error, as ``, line 7``; empty if there is none."""
    if isinstance(err, SyntaxError) and err.filename == str(file):
        return f", line {err.lineno}"
    lines, trace = [], err.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f", line {lines[-1]}" if lines else ""
