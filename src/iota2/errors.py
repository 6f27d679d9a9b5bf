"""Exceptions that are raised on purpose, and their exit codes.

    Iota2Error                  any message to the user
    ├── UserError               a problem that the user can fix              exit code 1
    │   ├── ConfigError         problems of the configuration file (all at once)
    │   ├── InputError          a problem of images, vectors or tables
    │   │   ├── InputProblems   several problems of inputs, each with its option
    │   │   ├── MissingField    a vector file lacks a field
    │   │   ├── DamagedProduct  a file of a product whose pixels cannot be read
    │   │   └── MissingTile     a sensor has no product of a tile
    │   ├── OutputError         the output folder cannot be used
    │   └── FeatureMismatch     the features differ from those of the model
    └── JobsFailed              some jobs of a run failed                     exit code 2

System errors (no permission, full disk, I/O error) are OSErrors: exit code 1 too. Any other exception that reaches the
top level is a defect of iota2: exit code 3.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from typing import Any, Self

EXIT_DONE = 0
EXIT_USER = 1
EXIT_JOBS_FAILED = 2
EXIT_DEFECT = 3
EXIT_INTERRUPTED = 130


OptionPath = tuple[str | int, ...]
"""An option of the configuration: section, key, and keys of a part of the value."""


def option_name(option: OptionPath) -> str:
    """Name of an option in messages: ``chain.proj``."""
    return ".".join(map(str, option))


class Iota2Error(Exception):
    """A message to the user, shown without a traceback."""

    exit_code = EXIT_DEFECT
    is_shown = False
    """Whether the user has already seen the message."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Restore from message and attributes, not by the constructor, whose arguments differ between classes."""
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[Iota2Error], args: tuple[Any, ...]) -> Iota2Error:
    return kind.__new__(kind, *args)


class UserError(Iota2Error):
    """A problem that the user can fix. The message says what, where, what was expected and what to do."""

    exit_code = EXIT_USER
    option: OptionPath = ()
    """The option of the configuration that the problem is about; empty if unknown."""

    @classmethod
    def about(cls, option: OptionPath, text: str) -> Self:
        """The error with a problem of one option; its message begins with the name of the option."""
        error = cls._with_text(f"{option_name(option)}: {text}")
        error.option = option
        return error

    @classmethod
    def _with_text(cls, text: str) -> Self:
        return cls(text)

    @property
    def text(self) -> str:
        """The message without the name of the option."""
        return str(self).removeprefix(f"{option_name(self.option)}: ") if self.option else str(self)


class ConfigError(UserError):
    """All problems of a configuration file."""

    def __init__(self, problems: Iterable[str], *, source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        count = len(self.problems)
        head = f"{source}: {count} problem{'s' if count > 1 else ''}" if source else ""
        super().__init__("\n".join([*([head] if head else []), *map(as_entry, self.problems)]))

    @classmethod
    def _with_text(cls, text: str) -> Self:
        return cls([text])

    @property
    def text(self) -> str:
        """The problems without the name of the option."""
        name = f"{option_name(self.option)}: "
        return "\n".join(problem.removeprefix(name) for problem in self.problems)


def as_entry(problem: str) -> str:
    """A problem as an entry of a list: the first line is indented by two, further lines by six."""
    return "\n".join("  " + ("    " if k else "") + line for k, line in enumerate(problem.splitlines()))


class InputError(UserError):
    """A problem of the user's images, vectors or tables."""


class InputProblems(InputError):
    """Several problems of inputs, each with the configuration option concerned."""

    def __init__(self, found: Iterable[tuple[OptionPath, str]], *, head: str = "") -> None:
        self.found = tuple(dict.fromkeys(found))
        texts = [text for _, text in self.found]
        super().__init__("\n".join([head, *map(as_entry, texts)] if head else texts))


class MissingField(InputError):
    """A vector file lacks the requested field."""


class DamagedProduct(InputError):
    """The header of a product file can be read, but its pixels cannot."""

    def __init__(self, message: str, *, tile: str, product: str, path: str) -> None:
        self.tile = tile
        self.product = product
        """Name of the product."""
        self.path = path
        super().__init__(message)


class MissingTile(InputError):
    """A sensor has no product of a tile."""

    def __init__(self, message: str, *, other_tiles: bool = False) -> None:
        self.other_tiles = other_tiles
        """Whether the sensor has folders of other tiles: the name of the tile is then the likely mistake."""
        super().__init__(message)


class OutputError(UserError):
    """The output folder cannot be used."""


class FeatureMismatch(UserError):
    """Features differ in name or order from the features of the model."""


class JobsFailed(Iota2Error):
    """Some jobs failed after all attempts."""

    exit_code = EXIT_JOBS_FAILED


# ------------------------------------------------------------------------------------------------ system errors

REMEDIES: Mapping[int, str] = {
    errno.EACCES: "Correct the permissions of the path or of a parent folder: files must be readable, folders also "
    "executable, and the output folder writable",
    errno.EPERM: "The system does not allow this operation. Check the owner of the file and the mount options",
    errno.ENOSPC: "The disk is full. Free some space, then run again: completed jobs are kept",
    errno.EDQUOT: "The disk quota is exceeded. Free space or raise the quota, then run again: completed jobs are kept",
    errno.EROFS: "The file system is read-only. Choose an output folder on another one, or mount it for writing",
    errno.EIO: "The disk or network drive reports an error. Check it, and restore the file from a copy if it is lost",
    errno.ENAMETOOLONG: "Shorten the names of files and folders",
    errno.ELOOP: "A symbolic link is circular. Remove it, or give the path of the file itself",
    errno.EMFILE: "Too many files are open. Raise the limit of open files (ulimit -n), then run again",
    errno.ENFILE: "The machine has too many open files. Close other programs, then run again",
    errno.ENOENT: "Check the path: the file or folder may have been moved or deleted",
    errno.ENOTDIR: "A file has the name of an expected folder. Move it or correct the path",
    errno.EISDIR: "A folder has the name of an expected file. Move it or correct the path",
    errno.ENOTEMPTY: "A folder has the name of an expected file. Move it or correct the path",
    errno.ENOMEM: "The free memory is insufficient. Use fewer workers or close other programs, then run again",
    errno.ESTALE: "The network drive no longer has the file. Check the drive, then run again",
    errno.ENXIO: "Only regular files can be read. Correct the path",
    errno.ENODEV: "Only regular files can be read. Correct the path",
    errno.EFBIG: "Check that it is the right file. The file system and the shell (ulimit -f) also limit file sizes",
    errno.EXDEV: "Both paths must be on the same file system. Change one of them",
    errno.ETIMEDOUT: "Check the network or the network drive, then run again",
    errno.ECONNREFUSED: "Check the address, and whether the server is running",
}
"""Remedies by the errno of a system error."""
_DEFAULT_REMEDY = "Check the path and the disk, then run again"


def system_text(err: OSError) -> str:
    """The message of a system error: path, reason, remedy."""
    paths = [os.fsdecode(name) for name in (err.filename, err.filename2) if isinstance(name, str | bytes | os.PathLike)]
    reason = err.strerror or str(err) or type(err).__name__
    where = f"{' and '.join(dict.fromkeys(paths))}: " if paths else ""
    return f"{where}{reason.rstrip('.')}. {remedy_of(err)}."


def remedy_of(err: OSError) -> str:
    """The remedy for a system error: one or more sentences without the last full stop."""
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
