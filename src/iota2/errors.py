"""Exceptions that are raised on purpose, and their exit codes.

    Iota2Error                  any message to the user
    ├── UserError               the user can fix it                          exit code 1
    │   ├── ConfigError         the configuration file (all problems at once)
    │   ├── InputError          images, vectors, tables given by the user
    │   │   ├── InputProblems   several of them, each with its option
    │   │   ├── MissingField    a vector file lacks a field
    │   │   ├── DamagedProduct  a file of a product whose pixels cannot be read
    │   │   └── MissingTile     a sensor has no product of a tile
    │   ├── OutputError         the output folder cannot be used
    │   └── FeatureMismatch     the features differ from those of the model
    └── JobsFailed              some jobs of a run failed                     exit code 2

What the system refuses (no permission, no room, a damaged disk) is an OSError, wherever it is raised: exit code 1 too.
Everything else that escapes is our defect: exit code 3.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping

EXIT_DONE = 0
EXIT_USER = 1
EXIT_JOBS_FAILED = 2
EXIT_DEFECT = 3
EXIT_INTERRUPTED = 130


class Iota2Error(Exception):
    """A message to the user, shown without a traceback."""

    exit_code = EXIT_DEFECT
    is_shown = False
    """Whether the message has been shown already."""


class UserError(Iota2Error):
    """A problem that the user can fix. The message says what, where, what was expected and what to do."""

    exit_code = EXIT_USER


class ConfigError(UserError):
    """One or more problems of a configuration file, all of them at once."""

    def __init__(self, problems: Iterable[str], *, source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        count = len(self.problems)
        head = f"{source}: {count} problem{'s' if count > 1 else ''}" if source else ""
        super().__init__("\n".join([*([head] if head else []), *map(as_entry, self.problems)]))


def as_entry(problem: str) -> str:
    """A problem as an entry of a list: its first line is indented, its other lines further."""
    return "\n".join("  " + ("    " if k else "") + line for k, line in enumerate(problem.splitlines()))


class InputError(UserError):
    """A fault of images, vectors or tables of the user."""


class InputProblems(InputError):
    """Several problems of inputs at once, each with the option of the configuration that it is about."""

    def __init__(self, found: Iterable[tuple[tuple[str | int, ...], str]], *, head: str = "") -> None:
        self.found = tuple(dict.fromkeys(found))
        texts = [text for _, text in self.found]
        super().__init__("\n".join([head, *map(as_entry, texts)] if head else texts))


class MissingField(InputError):
    """A vector file lacks the requested field."""


class DamagedProduct(InputError):
    """Pixels of a file of a product cannot be read, though its header can."""

    def __init__(self, message: str, *, tile: str, product: str, path: str) -> None:
        self.tile = tile
        self.product = product
        """Name of the product."""
        self.path = path
        super().__init__(message)


class MissingTile(InputError):
    """A sensor has no product of a tile."""


class OutputError(UserError):
    """The output folder cannot be used."""


class FeatureMismatch(UserError):
    """Features differ, in name or order, from those that a model was trained on."""


class JobsFailed(Iota2Error):
    """Some jobs failed after all attempts; the others are done."""

    exit_code = EXIT_JOBS_FAILED


# ------------------------------------------------------------------------------------------------ system errors

REMEDIES: Mapping[int, str] = {
    errno.EACCES: "Correct the permissions of it, or of a folder above it: files must be readable, folders also "
    "executable, and the output folder writable",
    errno.EPERM: "The system does not allow this here. Check the owner of the file and the options of the file system",
    errno.ENOSPC: "The disk is full. Free some space, then run again: what is done stays",
    errno.EDQUOT: "The disk quota is used up. Free some space or have it raised, then run again: what is done stays",
    errno.EROFS: "The file system is read-only. Choose an output folder on another one, or have it mounted for writing",
    errno.EIO: "The disk or network drive reports an error. Check it; copy the file from another place if it is lost",
    errno.ENAMETOOLONG: "Shorten the names of files and folders",
    errno.ELOOP: "A symbolic link leads to itself. Remove it, or give the path of the file itself",
    errno.EMFILE: "Too many files are open. Raise the limit of open files (ulimit -n), then run again",
    errno.ENFILE: "The machine has too many open files. Close other programs, then run again",
    errno.ENOENT: "Check the path: it may have been moved or removed",
    errno.ENOTDIR: "A file is in the place of a folder. Move it away or correct the path",
    errno.EISDIR: "A folder is in the place of a file. Move it away or correct the path",
    errno.ENOTEMPTY: "A folder is in the place of a file. Move it away or correct the path",
    errno.ENOMEM: "There is too little free memory. Use fewer workers or close other programs, then run again",
    errno.ESTALE: "The network drive has lost the file. Check the drive, then run again",
    errno.ENXIO: "Only regular files are read. Correct the path",
    errno.ENODEV: "Only regular files are read. Correct the path",
    errno.EFBIG: "Check that it is the right file, and the largest size that disk and shell allow (ulimit -f)",
    errno.EXDEV: "Both paths must lie on one file system",
    errno.ETIMEDOUT: "Check the network or the network drive, then run again",
    errno.ECONNREFUSED: "Check the address, and that the server runs",
}
"""Remedies by the number (errno) of a system error."""
_DEFAULT_REMEDY = "Check the path and the disk, then run again"


def system_text(err: OSError) -> str:
    """The message of a system error: path, reason, remedy."""
    paths = [os.fsdecode(name) for name in (err.filename, err.filename2) if isinstance(name, str | bytes | os.PathLike)]
    reason = err.strerror or str(err) or type(err).__name__
    where = f"{' and '.join(dict.fromkeys(paths))}: " if paths else ""
    return f"{where}{reason.rstrip('.')}. {remedy_of(err)}."


def remedy_of(err: OSError) -> str:
    """The remedy of a system error: a sentence without full stop."""
    return REMEDIES.get(err.errno or 0, _DEFAULT_REMEDY)


def message_of(error: BaseException) -> str:
    """The message of any exception, for the user."""
    if isinstance(error, MemoryError):
        return "there is too little memory. Use fewer workers or smaller inputs, then run again."
    return system_text(error) if isinstance(error, OSError) else str(error) or repr(error)


def exit_code_of(error: BaseException) -> int:
    """The exit code of the program after an exception."""
    if isinstance(error, Iota2Error):
        return error.exit_code
    return EXIT_USER if isinstance(error, OSError | MemoryError) else EXIT_DEFECT
