"""Targets of a model: classes, or a quantity."""

from __future__ import annotations

from dataclasses import dataclass

from iota2.core.nomenclature import MAX_CODE


@dataclass(frozen=True)
class Classes:
    """Class codes; ``ValueError`` if they are not ascending integers from 1 to 65535."""

    codes: tuple[int, ...]

    def __post_init__(self) -> None:
        sound = all(type(code) is int and 0 < code <= MAX_CODE for code in self.codes)
        if not sound or list(self.codes) != sorted(set(self.codes)):
            raise ValueError(f"classes {self.codes!r} are not ascending codes from 1 to {MAX_CODE}")


@dataclass(frozen=True)
class Quantity:
    """A number for each pixel, such as a yield or a height; ``ValueError`` for an empty name."""

    name: str
    unit: str

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name and isinstance(self.unit, str)):
            raise ValueError(f"quantity {self.name!r} in {self.unit!r}: expected a name and a unit, which may be empty")


Target = Classes | Quantity
