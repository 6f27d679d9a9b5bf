"""Parts of messages: counts, lists of names and values, suggestions for misspelt names, escaped control characters."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence

_MAX_COMPARED_CHARS = 60
"""Maximum length of a compared name, in characters; longer names are never similar."""
_MIN_SIMILARITY = 0.8
"""Minimum ``SequenceMatcher.ratio`` of similar names."""
_MIN_COMPARED_CHARS = 3
"""Minimum length of names that are similar despite one different character, or by a common beginning."""


_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters except line feed and tab; invisible marks, separators and overrides; lone surrogates."""


def assignments(values: Mapping[str, object]) -> str:
    """Values with their names, such as ``C = 10, gamma = 0.1``; ``defaults`` for none."""
    return ", ".join(f"{name} = {value}" for name, value in values.items()) or "defaults"


def counted(count: int, thing: str) -> str:
    """The count with the singular or plural of ``thing``: ``1 date``, ``2 dates``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def numbered_bands(numbers: Sequence[int]) -> str:
    """Numbers of bands as text: ``band 4``, ``bands 4, 5``."""
    return f"{'band' if len(numbers) == 1 else 'bands'} {some([str(number) for number in numbers])}"


def some(names: Sequence[str], shown: int = 5) -> str:
    """The first ``shown`` names, separated by commas, and the number of further names."""
    rest = len(names) - shown
    return ", ".join(map(one_line, names[:shown])) + (f" and {rest} more" if rest > 0 else "")


def size_text(count: float) -> str:
    """A number of bytes as text, such as ``1.5 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def normalised_name(name: str) -> str:
    """A name in lower case without underscores, hyphens and blanks: ``splitgroundtruth`` for ``split_ground_truth``."""
    return "".join(char for char in name.lower() if char not in "_- ")


def nearest(word: str, among: Iterable[str], min_similarity: float = _MIN_SIMILARITY) -> str | None:
    """The name most similar to ``word``; None when none is similar.

    Names are similar if their ``SequenceMatcher.ratio`` is at least ``min_similarity``, or if one edit separates them.
    Names with different digits are never similar: they denote different bands, dates or sensors.
    """
    if not 0 < len(word) <= _MAX_COMPARED_CHARS:
        return None
    asked, digits = normalised_name(word), _digits(word)
    names: dict[str, str] = {}
    for name in among:
        if _digits(name) == digits:
            names.setdefault(normalised_name(name), name)
    like = difflib.get_close_matches(asked, names, n=3, cutoff=0.6)
    return next((names[name] for name in like if _near(asked, name, min_similarity)), None)


def did_you_mean(word: str, among: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the most similar name; empty when none is similar."""
    found = nearest(word, among)
    return f"; did you mean '{found}'?" if found else ""


def choice_meant(word: str, choices: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the most similar choice, or else the only choice with the same beginning."""
    choices, asked = list(choices), normalised_name(word)
    begun = [
        name
        for name in choices
        if (short := min(asked, normalised_name(name), key=len))
        and len(short) >= _MIN_COMPARED_CHARS
        and asked.startswith(short)
        and normalised_name(name).startswith(short)
    ]
    near = did_you_mean(word, choices)
    return near or (f"; did you mean '{begun[0]}'?" if len(begun) == 1 else "")


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


def _near(one: str, other: str, min_similarity: float) -> bool:
    return difflib.SequenceMatcher(None, one, other).ratio() >= min_similarity or _one_edit(one, other)


def _one_edit(one: str, other: str) -> bool:
    """Whether one edit separates the words: a character inserted, removed, replaced or swapped with its neighbour."""
    short, long = sorted((one, other), key=len)
    if len(short) < _MIN_COMPARED_CHARS or len(long) - len(short) > 1:
        return False
    first = next((k for k, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[first:] == long[first + 1 :]
    exchanged = short[first : first + 2] == long[first : first + 2][::-1]
    return short[first + 1 :] == long[first + 1 :] or (exchanged and short[first + 2 :] == long[first + 2 :])


def printable(text: str) -> str:
    """The text with escapes such as ``\\x1b``, safe for a terminal and valid UTF-8.

    Control characters other than line ends and tabs, marks of writing direction and undecodable bytes are escaped.
    """
    return _CONTROLS.sub(_escape, text)


def spreadsheet_safe(text: str) -> str:
    """The text, with a leading apostrophe if a spreadsheet would interpret it as a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def one_line(text: str) -> str:
    """The text as ``printable`` returns it, with line ends and tabs escaped too: for names."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def json_text(content: object, indent: int | None = None, separators: tuple[str, str] | None = None) -> str:
    """A value as JSON that is safe for a terminal."""
    text = json.dumps(content, indent=indent, separators=separators, ensure_ascii=False)
    return json_printable(text)


def json_printable(text: str) -> str:
    """JSON text with control characters as JSON escapes."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def without_backticks(text: str) -> str:
    """A sentence in Markdown as plain text: names of options without their backticks."""
    return text.replace("`", "")


def all_problems(where: str, problems: Iterable[str], remedy: str = "", shown: int = 20) -> str:
    """One message: the number of problems, the first ``shown`` of them, and a common ``remedy``."""
    lines = list(problems)
    more = [f"… and {len(lines) - shown} more"] if len(lines) > shown else []
    texts = [*lines[:shown], *more, *([remedy] if remedy else [])]
    return "\n".join([f"{where}: {counted(len(lines), 'problem')}", *(f"  {line}" for line in texts)])
