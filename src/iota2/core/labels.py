"""Comparison of class labels: normalisation of spellings, descriptions of differences."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Invisible characters (Unicode: default ignorable): soft hyphen, zero-width space, joiners, marks
of direction, variation selectors, fillers, byte order mark."""
_NUMERAL = re.compile(r"([+-]?)(\d+)(?:\.0*)?", re.ASCII)
_MAX_DIGITS = 18
"""Maximum number of digits of a number; longer numbers are no codes."""
_MISREAD_AS = ("cp1252", "iso-8859-1", "iso-8859-15", "mac-roman", "cp850", "cp437")
"""Single-byte encodings that are often used by mistake to decode UTF-8."""


def normalised(text: str) -> str:
    """The normalised spelling of a label, for comparisons.

    Letters with accents are composed (NFC), invisible characters are removed, runs of blanks (also no-break spaces and
    tabs) become one space, and blanks at both ends are removed. Case is kept.
    """
    return " ".join(unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).split())


def whole_number(label: str) -> int | None:
    """The value of a label that is a whole number (``11``, ``0011``, ``11.0``, ``+11``, ``-3``); None for other
    text."""
    found = _NUMERAL.fullmatch(normalised(label))
    if found is None or len(found[2].lstrip("0")) > _MAX_DIGITS:
        return None
    return int(found[1] + found[2])


def plain_digits(label: str) -> str:
    """A whole number without sign and decimals, with its leading zeros: ``0011`` for ``0011.0``."""
    found = _NUMERAL.fullmatch(normalised(label))
    return found[2] if found else normalised(label)


def quoted_with_code_points(text: str) -> str:
    """The text in quotes, with code points for invisible characters: ``'Fore<U+0302>t'``, ``'a<U+00A0>b'``."""
    return "'" + "".join(f"<U+{ord(char):04X}>" if _is_hidden(char) else char for char in text) + "'"


def _is_hidden(char: str) -> bool:
    """Whether a character is invisible, or looks like another one."""
    blank = char.isspace() and char != " "
    return blank or bool(_INVISIBLE.match(char)) or unicodedata.category(char) in ("Mn", "Me", "Cc", "Cf")


def most_similar(label: str, others: Iterable[str]) -> str | None:
    """The most similar of ``others``, if it differs only in case, accents or a few letters; else None."""
    by_base = {_base(other): other for other in others}
    near = get_close_matches(_base(label), by_base, n=1, cutoff=0.6)
    return by_base[near[0]] if near else None


def _base(text: str) -> str:
    """The text in lower case without accents and decimals, with ASCII digits for those of other scripts."""
    text = "".join(str(unicodedata.decimal(char, char)) for char in text)
    number = whole_number(text)
    if number is not None:
        return str(number)
    decomposed = unicodedata.normalize("NFKD", normalised(text).casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def difference(one: str, other: str) -> str:
    """The difference of two labels in words: case, or the first three differences of characters."""
    if one.casefold() == other.casefold():
        return "they differ in case"
    parts = []
    for kind, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind != "equal":
            parts.append(f"{_named(one[a:b])} against {_named(other[c:d])}")
    return f"they differ in {', '.join(parts[:3])}" if parts else "they are the same"


def _named(text: str) -> str:
    """Characters in quotes, with code points unless they are printable ASCII."""
    if not text:
        return "nothing"
    numbers = " ".join(f"U+{ord(char):04X}" for char in text)
    return f"'{text}'" if text.isascii() and text.isprintable() else f"{quoted_with_code_points(text)} ({numbers})"


def misread(text: str) -> str | None:
    """The original of a UTF-8 text that was decoded with a single-byte encoding: ``Forêt`` for ``ForÃªt``.

    None for other texts. In such a text, letters represent UTF-8 bytes, in sequences that occur in no language.
    """
    if text.isascii():
        return None
    for encoding in _MISREAD_AS:
        try:
            was = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if was != text:
            return was
    return None
