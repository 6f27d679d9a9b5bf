"""Problems of inputs, each with the option of the configuration that it is about, and the line of that option."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import TypeVar

from iota2.chains import chain_of
from iota2.config.options.schema import Config
from iota2.config.options.sensors import PLACES
from iota2.config.places import KEYS
from iota2.core.builder import Ask
from iota2.errors import ConfigError, InputProblems, MissingField, UserError, message_of

T = TypeVar("T")
Option = tuple[str | int, ...]
"""An option: its section, its key, and the keys of a part of its value; empty when none is known."""
MAX_SHOWN = 20
"""Problems of one option that a message lists."""
_NAMED = re.compile(r"([A-Za-z]\w*(?:\.\w+)+): ")
"""An option at the beginning of a sentence about it."""


class Problems:
    """Collects the problems of the inputs of one configuration; ``broken`` are options that have a problem themselves,
    such as ``chain.proj``."""

    def __init__(self, config: Config, broken: Set[str] = frozenset()) -> None:
        self.config, self.broken, self.asks = config, broken, chain_of(config).asks
        self._found: dict[tuple[Option, str], None] = {}

    @property
    def exist(self) -> bool:
        """Whether inputs or options have problems."""
        return bool(self._found or self.broken)

    def lines(self) -> list[tuple[int, str]]:
        """Line (0 when the option is not written) and sentence of each problem of inputs, sorted by line."""
        counts: Counter[Option] = Counter(option for option, _ in self._found)
        listed: Counter[Option] = Counter()
        lines = []
        for option, text in self._found:
            listed[option] += 1
            if listed[option] <= MAX_SHOWN:
                lines.append(self.config.places.with_line(option, text))
        for option, count in counts.items():
            if count > MAX_SHOWN:
                lines.append(self.config.places.with_line(option, f"… and {count - MAX_SHOWN} more problems"))
        return sorted(dict.fromkeys(lines), key=lambda pair: pair[0])

    def usable(self, *options: str) -> bool:
        """Whether neither these options nor their sections have a problem themselves."""
        return self.broken.isdisjoint({*options, *(option.partition(".")[0] for option in options)})

    def checks(self, ask: Ask) -> bool:
        """Whether a part of the outside world is asked for, and checked before the run."""
        return ask in self.asks and self.config.chain.check_inputs

    def add(self, option: Option, text: str) -> None:
        """Add a problem. A text that begins with the name of an option belongs to that option."""
        if match := _NAMED.match(text):
            section, key, *_ = named = match[1].split(".")
            if key in KEYS.get(section, ()):
                option, text = (*named,), text[match.end() :]
        self._found[option or self._option_of_images(text), text] = None

    def attempt(self, read: Callable[[], T], *option: str | int) -> T | None:
        """What ``read`` returns; None, with its problems added, when it fails."""
        try:
            return read()
        except InputProblems as err:
            for about, text in err.found:
                self.add(about or option, text)
        except ConfigError as err:
            where = "" if err.source in ("", str(self.config.source)) else f"{err.source}: "
            for text in err.problems:
                self.add(option, where + text)
        except (UserError, OSError) as err:
            self.add(option, message_of(err))
        return None

    def _option_of_images(self, text: str) -> Option:
        """The option with the images of the sensor whose section a text begins with."""
        section = re.split("[:,]", text, maxsplit=1)[0]
        if section in self.config.chain.user_sensors:
            return "chain", "user_sensors", section, "path"
        if section not in PLACES:
            return ()
        by_items = getattr(self.config.chain, PLACES[section]) is None and self.config.chain.stac_items
        return ("chain", "stac_items", "source") if by_items else ("chain", PLACES[section])


@contextmanager
def about_field(key: str) -> Iterator[None]:
    """A field that a file lacks is a problem of the option that names the field, not the file."""
    try:
        yield
    except MissingField as err:
        raise InputProblems([(("chain", key), str(err))]) from err
