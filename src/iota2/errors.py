"""The exceptions that this program raises on purpose, and the exit code of each.

    Iota2Error                  anything we say to the user
    ├── UserError               the user can mend it                          exit code 1
    │   ├── ConfigError         the configuration file (all problems at once)
    │   ├── InputError          images, vectors, tables given by the user
    │   │   ├── InputProblems   several of them, each with its option
    │   │   ├── MissingField    a vector file lacks a field
    │   │   ├── DamagedProduct  a file of a product whose pixels cannot be read
    │   │   └── MissingTile     a sensor has no product of a tile
    │   ├── OutputError         the output folder cannot be used
    │   └── FeatureMismatch     a model was fed other features than it was trained on
    └── JobsFailed              some jobs of a run failed                     exit code 2

Everything else that escapes is our defect: exit code 3.
"""

from __future__ import annotations

from collections.abc import Iterable

EXIT_DONE = 0
EXIT_USER = 1
EXIT_JOBS_FAILED = 2
EXIT_DEFECT = 3
EXIT_INTERRUPTED = 130


class Iota2Error(Exception):
    """Anything that this program tells its user; the message stands without a traceback."""

    exit_code = EXIT_DEFECT
    told = False
    """Whether the terminal shows the message already."""


class UserError(Iota2Error):
    """A problem the user can mend. The message says what, where, what was expected and what to do."""

    exit_code = EXIT_USER


class ConfigError(UserError):
    """One or more problems of a configuration file, all of them at once."""

    def __init__(self, problems: Iterable[str], *, source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        count = len(self.problems)
        head = f"{source}: {count} problem{'s' if count > 1 else ''}" if source else ""
        super().__init__("\n".join([*([head] if head else []), *(f"  {problem}" for problem in self.problems)]))


class InputError(UserError):
    """Something is wrong with images, vectors or tables that the user gave."""


class InputProblems(InputError):
    """Several problems of inputs at once, each with the option of the configuration that it is about."""

    def __init__(self, found: Iterable[tuple[tuple[str | int, ...], str]]) -> None:
        self.found = tuple(dict.fromkeys(found))
        super().__init__("\n".join(text for _, text in self.found))


class MissingField(InputError):
    """A vector file lacks the field that is asked for."""


class DamagedProduct(InputError):
    """A file of a product cannot be read though its header could."""

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
    """A model was fed features that differ, in name or order, from those it was trained on."""


class JobsFailed(Iota2Error):
    """Some jobs failed for good; the others are done."""

    exit_code = EXIT_JOBS_FAILED
