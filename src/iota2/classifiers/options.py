"""Options of a classifier as a pydantic model: names as users write them, limits, and the parameters they become."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from iota2.core.words import did_you_mean


def _number_of(value: object) -> float:
    """The number meant by a number or its text; ``ValueError`` for truth values and other texts."""
    if isinstance(value, bool):
        raise ValueError("a truth value is no number")
    return float(str(value))


WholeNumber = Annotated[int, BeforeValidator(_number_of)]
"""Type of an option that takes 5, 5.0, '5' and '5.0'."""
RealNumber = Annotated[float, BeforeValidator(_number_of)]
"""Type of an option that takes numbers and their texts."""


def as_given(value: Any) -> Any:
    """The value itself."""
    return value


@dataclass(frozen=True)
class Meaning:
    """Facts of an option that pydantic has no place for."""

    effect: bool = True
    """Whether it sets the parameter of its field's name; otherwise the description says why it has no effect."""
    origin_default: float | None = None
    """Default of the toolbox that defined the option, where it differs."""
    convert: Callable[[Any], Any] = as_given
    """From the option's value to the parameter's."""


def parameter(name: str, default: float, about: str, *, ge: float, le: float = inf, **meaning: Any) -> Any:
    """A field of ``Params``: the option ``name`` within its limits. Further arguments are those of ``Meaning``."""
    meant: dict[str, Any] = {"meaning": Meaning(**meaning)}
    return Field(default, alias=name, ge=ge, le=None if le == inf else le, description=about, json_schema_extra=meant)


class Params(BaseModel):
    """Options of a classifier. A field bears the name of the parameter of the training library that it sets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """The options in the order of the fields."""
        return tuple(Option(becomes, field) for becomes, field in cls.model_fields.items())

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Self:
        """The options that are given, others at their defaults; ``ValueError`` with a line for each problem."""
        try:
            return cls.model_validate(dict(given))
        except ValidationError as err:
            raise ValueError(
                "\n".join(sorted(cls._problem(str(error["loc"][0]), given) for error in err.errors()))
            ) from None

    def parameters(self) -> dict[str, Any]:
        """Parameters of the training library, defaults included, in the order of the fields."""
        return {
            option.becomes: option.meaning.convert(getattr(self, option.becomes))
            for option in self.options()
            if option.meaning.effect
        }

    def warnings(self) -> tuple[str, ...]:
        """One sentence for each option that is given and has no effect."""
        ignored = [one for one in self.options() if one.becomes in self.model_fields_set and not one.meaning.effect]
        return tuple(sorted(f"{option.name} has no effect: {option.about}" for option in ignored))

    @classmethod
    def _problem(cls, name: str, given: Mapping[str, object]) -> str:
        known = {option.name: option for option in cls.options()}
        if name in known:
            return f"{name}: expected {known[name].expected}, got {given[name]!r}"
        hint = did_you_mean(name, known) or f"; expected one of {', '.join(known)}"
        return f"{name}: unknown option{hint}"


@dataclass(frozen=True)
class Option:
    """A field of ``Params`` as documentation and messages show it."""

    becomes: str
    """Parameter of the training library, the name of the field."""
    field: FieldInfo

    @property
    def name(self) -> str:
        """Name as users write it."""
        return self.field.alias or self.becomes

    @property
    def default(self) -> Any:
        """Value of an option that is not given."""
        return self.field.default

    @property
    def about(self) -> str:
        """What it means, or why it has no effect."""
        return self.field.description or ""

    @property
    def meaning(self) -> Meaning:
        """What pydantic has no place for."""
        extra = self.field.json_schema_extra
        found = extra.get("meaning") if isinstance(extra, dict) else None
        return found if isinstance(found, Meaning) else Meaning()

    @property
    def limits(self) -> tuple[float, float]:
        """Least and greatest value."""
        bounds = {
            name: getattr(rule, name) for rule in self.field.metadata for name in ("ge", "le") if hasattr(rule, name)
        }
        return bounds.get("ge", -inf), bounds.get("le", inf)

    @property
    def expected(self) -> str:
        """What a value has to be, for messages."""
        low, high = self.limits
        kind = "a whole number" if self.field.annotation is int else "a number"
        return f"{kind} ≥ {low}" + ("" if high == inf else f" and ≤ {high}")


def split_text(text: str) -> dict[str, str]:
    """Options written as a command line (``-classifier.rf.min 5 -classifier.rf.max 25``) by name.

    Raises ``ValueError`` where a value stands without a name or a name without a value.
    """
    words = shlex.split(text)
    named = {name[1:]: value for name, value in pairwise(words) if _is_name(name) and not _is_name(value)}
    if 2 * len(named) != len(words):
        raise ValueError(f"options {text!r} are not pairs of a name and a value, like -classifier.rf.max 25")
    return named


def _is_name(word: str) -> bool:
    return word.startswith("-") and word[1:2].isalpha()
