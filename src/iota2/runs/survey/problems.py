"""Problems of inputs, each with its option of the configuration and the line of the option."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import TypeVar

from iota2.chains import chain_of
from iota2.config.options.schema import Config
from iota2.core.builder import Ask
from iota2.errors import ConfigError, InputProblems, MissingField, OptionPath, UserError, message_of

T = TypeVar("T")
MAX_SHOWN = 20
"""Maximum number of problems of one option in a message."""


class Problems:
    """Collector of problems of the inputs of one configuration.

    ``broken``: options with an invalid value, such as ``chain.proj``.
    """

    def __init__(self, config: Config, broken: Set[str] = frozenset()) -> None:
        self.config, self.broken = config, broken
        self.asks: Set[Ask] = chain_of(config).asks if self.builders_known else frozenset({"images"})
        self._found: dict[tuple[OptionPath, str], None] = {}

    @property
    def exist(self) -> bool:
        """Whether inputs or options have problems."""
        return bool(self._found or self.broken)

    def lines(self) -> list[tuple[int, str]]:
        """Line (0 for an option that is not set) and text of each problem, sorted by line."""
        counts: Counter[OptionPath] = Counter(option for option, _ in self._found)
        listed: Counter[OptionPath] = Counter()
        lines = []
        for option, text in self._found:
            listed[option] += 1
            if listed[option] <= MAX_SHOWN:
                lines.append(self.config.places.with_line(option, text))
        for option, count in counts.items():
            if count > MAX_SHOWN:
                lines.append(self.config.places.with_line(option, f"… and {count - MAX_SHOWN} more problems"))
        return sorted(dict.fromkeys(lines), key=lambda pair: pair[0])

    @property
    def builders_known(self) -> bool:
        """Whether the builders are known; otherwise only images are inspected, which all builders need."""
        return self.usable("builders.builders_class_name", "builders.builders_paths")

    def usable(self, *options: str) -> bool:
        """Whether these options and their sections are valid."""
        return self.broken.isdisjoint({*options, *(option.partition(".")[0] for option in options)})

    def checks(self, ask: Ask) -> bool:
        """Whether this kind of input data is needed and checked before the run."""
        return ask in self.asks and self.config.chain.check_inputs

    def add(self, option: OptionPath, text: str) -> None:
        """Add a problem."""
        self._found[option, text] = None

    def attempt(self, read: Callable[[], T], *option: str | int) -> T | None:
        """Result of ``read``; None if it fails, with its problems added."""
        try:
            return read()
        except InputProblems as err:
            for about, text in err.found:
                self.add(about or option, text)
        except ConfigError as err:
            where = "" if err.source in ("", str(self.config.source)) else f"{err.source}: "
            for text in (err.text,) if err.option else err.problems:
                self.add(err.option or option, where + text)
        except UserError as err:
            self.add(err.option or option, err.text)
        except OSError as err:
            self.add(option, message_of(err))
        return None


@contextmanager
def about_field(key: str, section: str = "chain") -> Iterator[None]:
    """Assign a missing field to the option with the name of the field instead of the file."""
    try:
        yield
    except MissingField as err:
        raise InputProblems([((section, key), str(err))]) from err
