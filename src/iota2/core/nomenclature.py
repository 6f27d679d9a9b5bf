"""Classes of a run: codes in the map, names, colours and user labels."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from iota2.core.labels import difference, most_similar, normalised, whole_number
from iota2.core.words import nearest, some
from iota2.errors import InputProblems

Label = int | str
"""Label of a class in the user's reference data: ``211`` or ``"prairie"``."""
Color = tuple[int, int, int]
"""Red, green, blue, each 0..255."""

Value = TypeVar("Value", str, Color)

MAX_CODE = 65535
"""Largest code of a class."""
MAX_UINT8_CODE = 255
"""Largest code of a uint8 map; maps with larger codes are uint16."""


@dataclass(frozen=True)
class Nomenclature:
    """The classes of a run, in ascending order of ``codes``.

    A code is the value of a class in the map; 0 means "not classified". Integer labels are used as codes; text labels
    are numbered 1..N in sorted order. ``io.tables.label_columns`` has converted labels that are all whole numbers to
    integers.

    ``ColorIndexed`` maps contain a colour table of 256 entries (uint8) or 65,536 entries (uint16). GeoTIFF supports
    both, so codes above 255 keep their values and colours; some viewers read only tables of 256 entries.
    """

    codes: tuple[int, ...]
    names: tuple[str, ...]
    colors: tuple[Color, ...]
    labels: tuple[int, ...] | tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """Warnings for the user, such as two classes with the same colour."""

    @property
    def dtype(self) -> str:
        """Type of the maps' pixels: ``uint8``, or ``uint16`` when a code exceeds 255."""
        return "uint8" if max(self.codes, default=0) <= MAX_UINT8_CODE else "uint16"

    @property
    def color_table(self) -> dict[int, tuple[int, int, int, int]]:
        """Red, green, blue and alpha by code; code 0, not classified, is transparent."""
        return {0: (0, 0, 0, 0)} | {code: (*color, 255) for code, color in zip(self.codes, self.colors, strict=True)}

    @property
    def unnamed(self) -> Nomenclature:
        """The same classes with codes as names and black as colour. Pixel values depend on nothing else."""
        return Nomenclature(self.codes, tuple(map(str, self.codes)), ((0, 0, 0),) * len(self.codes), self.labels)

    @property
    def code_by_label(self) -> dict[Label, int]:
        """Codes by the user's label."""
        return dict(zip(self.labels, self.codes, strict=True))

    def name(self, code: int) -> str:
        """Name of a class by its code; ``KeyError`` for a code of no class."""
        return self.names[self._position(code)]

    def title(self, code: int) -> str:
        """Subject of a sentence about a class; ``KeyError`` for a code of no class."""
        return f"Class {self.name(code)} ({code})"

    def label(self, code: int) -> Label:
        """The user's label of a class by its code; ``KeyError`` for a code of no class."""
        return self.labels[self._position(code)]

    def color(self, code: int) -> Color:
        """Colour of a class by its code; ``KeyError`` for a code of no class."""
        return self.colors[self._position(code)]

    def code(self, label: Label) -> int:
        """Code of a user's label; ``KeyError`` for a label of no class."""
        try:
            return self.codes[self.labels.index(label)]
        except ValueError:
            raise KeyError(label) from None

    def _position(self, code: int) -> int:
        try:
            return self.codes.index(code)
        except ValueError:
            raise KeyError(code) from None


def code_of(label: str, classes: Mapping[Label, int]) -> int | None:
    """Code of a class by its label as text, from the codes by label; for integer labels, ``011`` is ``11``."""
    if any(isinstance(name, str) for name in classes):
        return classes.get(normalised(label))
    number = whole_number(label)
    return None if number is None else classes.get(number)


def unknown_label(label: str, classes: Iterable[Label]) -> str:
    """Message on a label that no class has, with the most similar label or all labels."""
    names = [str(name) for name in classes]
    # Codes with other digits are other classes; texts are often misspelt in accents or letters.
    near = nearest(label, names) or (None if whole_number(label) is not None else most_similar(label, names))
    hint = f"did you mean {near!r}?" if near else f"the labels are {', '.join(names)}"
    return f"label {label!r} is not in the reference data; {hint}"


@dataclass(frozen=True)
class Entry(Generic[Value]):
    """One line of a file: a label and its value."""

    line: int
    label: str
    value: Value


@dataclass(frozen=True)
class Listing(Generic[Value]):
    """Entries of a file, and problems of its lines.

    ``build_nomenclature`` reports the problems of both files at once.
    """

    source: str
    entries: tuple[Entry[Value], ...]
    problems: tuple[str, ...]


def parse_nomenclature(text: str, source: str) -> Listing[str]:
    """Class names from lines ``name:label``. The last colon is the separator; names may contain colons.

    Blanks around name and label, blank lines, lines that begin with ``#`` and a byte order mark are
    ignored. ``source`` is the file's name, for messages.
    """

    return _listing(text, source, _name_line, (_color_line, "a colour table ('label R G B')"))


def parse_colors(text: str, source: str) -> Listing[Color]:
    """Class colours from lines ``label R G B``, separated by blanks, each colour 0..255.

    Blank lines, lines that begin with ``#`` and a byte order mark are ignored. The last three words are the colour; a
    text label may contain blanks.
    """

    return _listing(text, source, _color_line, (_name_line, "a nomenclature ('name:label')"))


def _name_line(line: str) -> tuple[str, str]:
    """Label and name of a line of a nomenclature; ValueError for another line."""
    name, colon, label = (part.strip() for part in line.rpartition(":"))
    if not (name and colon and label):
        raise ValueError(f"expected 'name:label', found {line!r}")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise ValueError(f"the name {name!r} contains a control character")
    return normalised(label), name


def _color_line(line: str) -> tuple[str, Color]:
    """Label and colour of a line of a colour table; ValueError for another line."""
    parts = line.split()
    words, rgb = parts[:-3], parts[-3:]
    label = normalised(" ".join(words))
    if not label or (len(words) > 1 and all(_is_integer(word) for word in words)):
        raise ValueError(f"expected 'label R G B', found {line!r}")
    if not all(_is_integer(part) and 0 <= int(part) <= 255 for part in rgb):
        raise ValueError(f"expected three whole numbers from 0 to 255 after the label, found {line!r}")
    return label, (int(rgb[0]), int(rgb[1]), int(rgb[2]))


def build_nomenclature(
    entries: Listing[str], colors: Listing[Color], labels_in_use: Iterable[Label], *, origin: str = "the reference data"
) -> Nomenclature:
    """The classes of the reference data, with names and colours from the two files.

    ``labels_in_use``: the labels of the reference data, all integers or all text, in any order; duplicates are allowed.
    Entries of other labels are ignored. ``origin``: where the labels are from, for messages. Raises InputProblems with
    all problems of both files and of the labels, each with the option concerned.
    """
    used = list(dict.fromkeys(x if isinstance(x, str) else int(x) for x in labels_in_use))
    text = any(isinstance(label, str) for label in used)
    names, wrong_names = _by_label(entries, text, 1, origin)
    palette, wrong_colors = _by_label(colors, text, 0, origin)
    labels = sorted(used, key=str if text else int)
    found_by_option: list[tuple[str, Iterable[str]]] = [
        ("nomenclature_path", entries.problems),
        ("color_table", colors.problems),
        ("data_field", _label_problems(used)),
        ("nomenclature_path", wrong_names),
        ("color_table", wrong_colors),
        ("nomenclature_path", _missing(labels, names, entries, ("name", "'name:{label}'"), origin)),
        ("color_table", _missing(labels, palette, colors, ("colour", "'{label} R G B'"), origin)),
    ]
    if problems := [(("chain", key), problem) for key, texts in found_by_option for problem in texts]:
        raise InputProblems(problems, head="The names and colours of the classes are invalid:")
    found = Nomenclature(
        codes=tuple(range(1, len(labels) + 1)) if text else tuple(int(label) for label in labels),
        names=tuple(names[label] for label in labels),
        colors=tuple(palette[label] for label in labels),
        labels=tuple(labels),  # type: ignore[arg-type]
    )
    return replace(found, warnings=(*_warnings(found), *_without_polygon(names, labels)))


def _listing(
    text: str, source: str, read: Callable[[str], tuple[str, Value]], other: tuple[Callable[[str], object], str]
) -> Listing[Value]:
    """The entries of a file; ``other`` reads the lines of the file that may be in its place, and describes it."""
    entries: list[Entry[Value]] = []
    problems: list[str] = []
    read_other, looks = other
    mistaken = True
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            entries.append(Entry(number, *read(line)))
        except ValueError as err:
            problems.append(f"{source}, line {number}: {err}. Correct the line, or comment it out with '#'.")
            mistaken = mistaken and _accepts(read_other, line)
    if problems and not entries and mistaken:
        swapped = "are chain.nomenclature_path and chain.color_table swapped?"
        return Listing(source, (), (f"{source}: looks like {looks}; {swapped}",))
    return Listing(source, tuple(entries), tuple(problems))


def _accepts(read: Callable[[str], object], line: str) -> bool:
    try:
        read(line)
    except ValueError:
        return False
    return True


def _is_integer(word: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]{1,18}", word) is not None


def _label_problems(used: list[Label]) -> Iterator[str]:
    """Problems of the labels of the reference data."""
    if not used:
        yield "The reference data contain no class. Check the field that contains the labels."
    texts = [label for label in used if isinstance(label, str)]
    if texts and len(texts) < len(used):
        yield "Some labels of the reference data are numbers and others text. Give the field a single type."
    for label in used:
        if isinstance(label, int) and not 1 <= label <= MAX_CODE:
            yield (
                f"Label {label} of the reference data is outside 1..{MAX_CODE} (0 means not classified). "
                "Renumber the class in the reference data, the nomenclature and the colour file."
            )


def _by_label(listing: Listing[Value], text: bool, lowest: int, origin: str) -> tuple[dict[Label, Value], list[str]]:
    """Values by label, and problems of labels. Labels are text if ``text``, else integers of at least ``lowest``."""
    problems: list[str] = []
    values: dict[Label, Value] = {}
    lines: dict[Label, int] = {}
    for entry in listing.entries:
        where = f"{listing.source}, line {entry.line}"
        number = whole_number(entry.label)
        if not text and not (number is not None and lowest <= number <= MAX_CODE):
            problems.append(
                f"{where}: label {entry.label!r} is no whole number from 1 to {MAX_CODE}, but the labels of "
                f"{origin} are whole numbers. Correct the label, or comment the line out with '#'."
            )
            continue
        label: Label = entry.label if text or number is None else number
        if label in lines:
            problems.append(f"{where}: label {label} is already on line {lines[label]}. Keep one of the two.")
            continue
        values[label], lines[label] = entry.value, entry.line
    return values, problems


def _missing(
    labels: list[Label], found: dict[Label, Value], listing: Listing[Value], line: tuple[str, str], origin: str
) -> Iterator[str]:
    """Problems of labels that are missing in a file; none if the file has only invalid lines, reported already.

    ``line``: name and form of the value of a line.
    """
    if listing.problems and not listing.entries:
        return
    what, form = line
    unused = {str(label) for label in found} - {str(label) for label in labels}
    for label in labels:
        if label not in found:
            hint, example = _like(label, unused, listing), form.format(label=label)
            yield f"{listing.source}: no {what} for label {label} of {origin}.{hint} Add a line {example}."


def _like(label: Label, unused: set[str], listing: Listing[Value]) -> str:
    """A hint on the unused entry most similar to a text label, with the difference; empty without such an entry."""
    near = most_similar(label, sorted(unused)) if isinstance(label, str) else None
    if near is None or not isinstance(label, str):
        return ""
    line = next(entry.line for entry in listing.entries if entry.label == near)
    return f" Line {line} has {near!r}: {difference(near, label)}; use the same spelling in both."


def _without_polygon(names: dict[Label, str], labels: list[Label]) -> list[str]:
    """A warning about the classes of the nomenclature that the reference data lack."""
    unused = [f"{name} ({label})" for label, name in names.items() if label not in labels]
    if not unused:
        return []
    what, verb, they = ("Class", "has", "it") if len(unused) == 1 else ("Classes", "have", "they")
    return [f"{what} {some(unused, 20)} of the nomenclature {verb} no usable polygon: {they} will not be on the map."]


def _warnings(nomenclature: Nomenclature) -> Iterator[str]:
    names = tuple(normalised(name) for name in nomenclature.names)
    for what, values in (("name", names), ("colour", nomenclature.colors)):
        for value, count in Counter(values).items():
            if count > 1:
                same = [str(label) for label, v in zip(nomenclature.labels, values, strict=True) if v == value]
                shown = value if isinstance(value, str) else " ".join(str(part) for part in value)
                classes = f"Classes {', '.join(same)}"
                yield f"{classes} have the same {what} ({shown}). Change one of them to distinguish the classes."
    if nomenclature.dtype == "uint16":
        yield (
            f"The largest class code, {max(nomenclature.codes)}, exceeds 255: maps are uint16 and their "
            "colour table has 65,536 entries. QGIS uses the .qml style next to the map; some viewers show no colours."
        )
