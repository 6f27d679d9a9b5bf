"""Text as a person reads it: counts, lists of names, the name that was meant, and names with control characters."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence

_LONGEST = 60
"""Characters of a name; longer words are no slip of one."""
_ALIKE = 0.8
"""Usual least share of common characters of two names that are near, in order, whatever their length."""
_SHORTEST = 3
"""Characters of the shortest name of which one may differ."""


_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters but line feed and tab; marks, separators and overrides that are not seen; halves of surrogates."""


def counted(count: int, thing: str) -> str:
    """``1 date``, ``2 dates``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def some(names: Sequence[str], shown: int = 5) -> str:
    """A list of names that does not get long: the first ``shown``, and how many more there are."""
    rest = len(names) - shown
    return ", ".join(map(one_line, names[:shown])) + (f" and {rest} more" if rest > 0 else "")


def squeezed(name: str) -> str:
    """A name without case, underscores, hyphens and blanks: ``splitGroundTruth`` and ``split_ground_truth`` are one."""
    return "".join(char for char in name.lower() if char not in "_- ")


def nearest(word: str, among: Iterable[str], least: float = _ALIKE) -> str | None:
    """The name that ``word`` is most likely a slip of; None when none is near.

    Near names have at least the share ``least`` of their characters in common, or differ in one. Names whose digits
    differ are never near: they are of different bands, dates or sensors.
    """
    if not 0 < len(word) <= _LONGEST:
        return None
    asked, digits = squeezed(word), _digits(word)
    names: dict[str, str] = {}
    for name in among:
        if _digits(name) == digits:
            names.setdefault(squeezed(name), name)
    like = difflib.get_close_matches(asked, names, n=3, cutoff=0.6)
    return next((names[name] for name in like if _near(asked, name, least)), None)


def did_you_mean(word: str, among: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest name, or nothing when none is near."""
    found = nearest(word, among)
    return f"; did you mean '{found}'?" if found else ""


def choice_meant(word: str, choices: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest choice; else the only one that begins like the word."""
    choices, asked = list(choices), squeezed(word)
    begun = [
        name
        for name in choices
        if (short := min(asked, squeezed(name), key=len))
        and len(short) >= _SHORTEST
        and asked.startswith(short)
        and squeezed(name).startswith(short)
    ]
    near = did_you_mean(word, choices)
    return near or (f"; did you mean '{begun[0]}'?" if len(begun) == 1 else "")


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


def _near(one: str, other: str, least: float) -> bool:
    return difflib.SequenceMatcher(None, one, other).ratio() >= least or _one_edit(one, other)


def _one_edit(one: str, other: str) -> bool:
    """True when one character too much, too few, changed or exchanged with its neighbour makes the difference."""
    short, long = sorted((one, other), key=len)
    if len(short) < _SHORTEST or len(long) - len(short) > 1:
        return False
    first = next((k for k, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[first:] == long[first + 1 :]
    exchanged = short[first : first + 2] == long[first : first + 2][::-1]
    return short[first + 1 :] == long[first + 1 :] or (exchanged and short[first + 2 :] == long[first + 2 :])


def printable(text: str) -> str:
    """Text that does nothing to a terminal and can be written as UTF-8: other characters than line ends and tabs that
    control how text is shown (ESC, direction of writing) and bytes that are no character stand as escapes, ``\\\\x1b``.
    """
    return _CONTROLS.sub(_escape, text)


def one_line(text: str) -> str:
    """The same, with line ends and tabs as escapes too: for names."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def json_text(content: object, indent: int | None = None, separators: tuple[str, str] | None = None) -> str:
    """A value as JSON that does nothing to a terminal."""
    text = json.dumps(content, indent=indent, separators=separators, ensure_ascii=False)
    return json_printable(text)


def json_printable(text: str) -> str:
    """JSON text with control characters as JSON escapes."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def all_problems(where: str, problems: Iterable[str], remedy: str = "", shown: int = 20) -> str:
    """One message of all problems, the first ``shown`` of them in full, and what to do about those that do not say it
    themselves."""
    lines = list(problems)
    more = [f"… and {len(lines) - shown} more"] if len(lines) > shown else []
    told = [*lines[:shown], *more, *([remedy] if remedy else [])]
    return "\n".join([f"{where}: {counted(len(lines), 'problem')}", *(f"  {line}" for line in told)])
