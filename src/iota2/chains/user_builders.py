"""Builders of the user: Python files in a folder that the configuration names.

The files are modules of the package ``iota2_builders``, whose search path is that folder. They can import each other
and cannot shadow other modules. Importing runs their code; nothing is imported unless a configuration names the folder.
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
"""The package whose modules are files of the user."""


def use_folders(folders: Sequence[Path]) -> None:
    """Make ``iota2_builders`` the package of the Python files in these folders; modules are imported again."""
    package = sys.modules.get(PACKAGE)
    if package is None:
        package = sys.modules[PACKAGE] = ModuleType(PACKAGE, "Builders of the user's own.")
        package.__path__ = []
    for name in [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]:
        del sys.modules[name]
    package.__path__ = [str(folder) for folder in folders]
    importlib.invalidate_caches()


def builder_files(folders: Sequence[Path]) -> list[Path]:
    """Python files of some folders, by folder and name, except helper modules, whose names begin with ``_``."""
    return [file for folder in folders for file in sorted(folder.glob("*.py")) if not file.name.startswith("_")]


def builders_in(folders: Sequence[Path]) -> list[Builder]:
    """The builders in the Python files of some folders, by folder and file name.

    Every public value of type ``Builder`` is used. Raises UserError for a file that cannot be imported, with the line
    of the error, and when no file defines a builder.
    """
    use_folders(folders)
    found = [builder for file in builder_files(folders) for builder in _builders_of(file)]
    if not found:
        raise UserError(f"no Python file in {', '.join(map(str, folders))} has a Builder; see the how-to on builders")
    return found


def _builders_of(file: Path) -> list[Builder]:
    module = _imported(file)
    source = hashlib.sha256(file.read_bytes()).digest()
    values = [value for name, value in vars(module).items() if isinstance(value, Builder) and not name.startswith("_")]
    own = {id(value): value for value in values if any(step.run.__module__ == module.__name__ for step in value.steps)}
    return [_marked(builder, module.__name__, int.from_bytes(source[:6]), file) for builder in own.values()]


def _marked(builder: Builder, module: str, digest: int, file: Path) -> Builder:
    """The builder, with steps of the file versioned by its content, so that they run again when it changes."""

    def versioned(step: Step) -> Step:
        return replace(step, version=digest) if step.run.__module__ == module else step

    return replace(builder, steps=tuple(map(versioned, builder.steps)), source=str(file))


def _imported(file: Path) -> ModuleType:
    if not file.stem.isidentifier():
        raise UserError(f"{file}: cannot be imported under this name; expected letters, digits and _")
    try:
        return importlib.import_module(f"{PACKAGE}.{file.stem}")
    except Exception as err:
        raise UserError(f"{file}{_line_of(err, file)}: {type(err).__name__}: {message_of(err)}") from err


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
