"""Options as pydantic models: type, limits, description and availability of each field, and messages about values."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from iota2.core.words import choice_meant, did_you_mean

NOT_YET = "is known but not available yet"
KeyPath = Sequence[str | int]
"""Keys and list positions, from a section down to a value."""


@dataclass(frozen=True)
class About:
    """Properties of a field other than type and limits."""

    status: Literal["now", "later", "no effect"] = "now"
    """Availability: available, not available yet, or accepted without effect."""
    reason: str = ""
    """Reason why the option has no effect."""
    later: tuple[str, ...] = ()
    """Values of an available option that are not available yet."""
    form: str = ""
    """Description of the expected value; empty to derive it from the annotation."""
    builders: str = ""
    """Letters of the builders that use the option; empty for those of the section."""
    toolbox_default: Any = None
    """Default of the Orfeo ToolBox, if different."""
    needed: bool = False
    """Whether the option is mandatory for some builders. Without these builders it has its default."""


@dataclass(frozen=True)
class OneOf:
    """Annotation of a text that must be one of ``names()``, which is called for each value. Unlike with ``Literal``,
    names may be registered later."""

    names: Callable[[], tuple[str, ...]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The validator, as pydantic expects it."""
        return core_schema.no_info_plain_validator_function(self._known)

    def _known(self, value: Any) -> Any:
        if isinstance(value, str) and value in self.names():
            return value
        raise PydanticCustomError("literal_error", "expected {expected}", {"expected": _alternatives(self.names())})


def option(default: Any, sentence: str, *, about: About | None = None, alias: str | None = None, **limits: Any) -> Any:
    """A field of a section: available unless ``about`` says otherwise; mandatory with default ``...``."""
    extra: dict[str, Any] = {"about": about or About()}
    return Field(default, description=sentence, alias=alias, json_schema_extra=extra, **limits)


def same_as(options: type[Options], name: str) -> Any:
    """A field with default, limits and text of the field ``name`` of other options; its type must be repeated."""
    return copy(options.model_fields[name])


def needed(sentence: str, *, builders: str, form: str = "", default: Any = None) -> Any:
    """A field that is mandatory if a selected builder needs it; ``default`` is its value without such a builder."""
    return option(default, sentence, about=About(builders=builders, form=form, needed=True))


def planned(default: Any, sentence: str, *, builders: str = "", form: str = "", alias: str | None = None) -> Any:
    """A known field that is not available yet: only its default is accepted."""
    return option(default, sentence, about=About("later", builders=builders, form=form), alias=alias)


def no_effect(
    default: Any, sentence: str, reason: str, *, builders: str = "", alias: str | None = None, **limits: Any
) -> Any:
    """A field that is accepted without effect, with a warning that gives ``reason``."""
    properties = About("no effect", reason=reason, builders=builders)
    return option(default, sentence, about=properties, alias=alias, **limits)


def no_effect_without(default: Any, sentence: str, switch: str, *, alias: str | None = None, builders: str = "") -> Any:
    """A field that has no effect because the option ``switch``, which enables it, is not available yet."""
    reason = f"it requires {switch}, which is not available yet"
    return no_effect(default, sentence, reason, alias=alias, builders=builders)


def about(field: FieldInfo) -> About:
    """The properties that ``option`` stored in a field."""
    extra = field.json_schema_extra
    found = extra.get("about") if isinstance(extra, dict) else None
    return found if isinstance(found, About) else About()


def is_mandatory(field: FieldInfo) -> bool:
    """Whether the option is mandatory, for all builders or some of them."""
    return field.is_required() or about(field).needed


def default_of(field: FieldInfo) -> Any:
    """The default value in a loaded configuration."""
    return field.get_default(call_default_factory=True)


class Options(BaseModel):
    """An immutable dictionary of options. Unknown keys, and values that are not available yet, are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _normalised(cls, value: Any, info: ValidationInfo) -> Any:
        """Convert 'None', '' and [] to None if None is the default; reject True and False as numbers."""
        field = cls.model_fields[str(info.field_name)]
        none = value == [] or (isinstance(value, str) and value.strip().lower() in ("none", ""))
        if none and default_of(field) is None and not is_mandatory(field):
            return None
        kinds = {field.annotation, *typing.get_args(field.annotation)}
        if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
            raise ValueError(f"expected {expected(field)}, got {value}")
        return value

    def effective(self) -> Self:
        """The options with a default or None in place of every value without effect: equal for equal results."""
        return self

    @field_validator("*", mode="after")
    @classmethod
    def _available(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        known = about(field)
        if known.status == "later" and value != default_of(field) and not isinstance(value, Options):
            raise ValueError(f"{NOT_YET}; remove it or give its default, {shown(default_of(field))}")
        for item in value if isinstance(value, tuple) else (value,):
            if known.later and item in known.later:
                raise ValueError(f"{item!r} {NOT_YET}; expected {expected(field)}")
        return value


def keys(options: type[Options]) -> dict[str, FieldInfo]:
    """The fields of a dictionary of options, by name in configuration files."""
    return {field.alias or name: field for name, field in options.model_fields.items()}


def nested(field: FieldInfo) -> type[Options] | None:
    """The class of the nested dictionaries of an option, also inside a container; None for other options."""
    pending = [field.annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, Options):
            return annotation
        pending.extend(typing.get_args(annotation))
    return None


def expected(field: FieldInfo) -> str:
    """Description of the expected value: type, then limits."""
    return " ".join(part for part in (kind(field), limits(field)) if part)


def kind(field: FieldInfo) -> str:
    """Description of the type, without values that are not available yet."""
    annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return about(field).form or _words(annotation, about(field).later)


def limits(field: FieldInfo) -> str:
    """Description of the limits of a number."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [
        f"{sign} {getattr(limit, name)}"
        for limit in field.metadata
        for name, sign in signs.items()
        if hasattr(limit, name)
    ]
    return " and ".join(found)


def shortened(text: str, length: int = 60) -> str:
    """The text, truncated to ``length`` characters."""
    return text if len(text) <= length else f"{text[:length]}…"


def shown(value: Any) -> str:
    """A value in the syntax of a configuration file."""
    if isinstance(value, BaseModel):
        written = value.model_dump(by_alias=True, exclude_defaults=True)
        return shown(written)
    if isinstance(value, tuple | list):
        return f"[{', '.join(shown(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{shown(key)}: {shown(item)}' for key, item in value.items())}}}"
    if isinstance(value, date):
        return f"'{value:%Y%m%d}'"
    return repr(str(value)) if isinstance(value, str | Path) else repr(value)


def missing_text(info: FieldInfo) -> str:
    """Message on a mandatory option that is not given: expected value and description."""
    return f"is missing; give {expected(info)}: {info.description}"


def schema_problems(options: type[Options], err: ValidationError) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Pairs of path and message for the problems found by pydantic."""
    errors = err.errors(include_url=False)
    entries = {error["loc"][:-1] for error in errors}
    for error in errors:
        if error["type"] == "too_short" and error["loc"] in entries:
            continue  # pydantic does not count invalid entries, which are reported themselves
        path, holder, info = _walk(options, error["loc"])
        if error["type"] == "value_error":
            yield path, str(error["ctx"]["error"])
        elif error["type"] == "missing" and info:
            yield path, missing_text(info)
        elif error["type"] == "extra_forbidden":
            known = f"expected one of {', '.join(keys(holder))}" if keys(holder) else "there are none here"
            hint = did_you_mean(str(path[-1]), keys(holder)) or f"; {known}"
            yield path, f"unknown option{hint}"
        elif info:
            choices = [choice for choice in _choices(error) if choice not in about(info).later]
            hint = choice_meant(error["input"], choices) if isinstance(error["input"], str) else ""
            yield path, f"expected {expected(info)}, got {shortened(shown(error['input']), 200)}{hint}"


def _choices(error: Any) -> list[str]:
    """The allowed texts of an option."""
    text = error.get("ctx", {}).get("expected", "") if error["type"] == "literal_error" else ""
    return text.split("'")[1::2]


def _walk(options: type[Options], loc: KeyPath) -> tuple[tuple[str | int, ...], type[Options], FieldInfo | None]:
    """Path in the file for a pydantic location, with the innermost dictionary of options and its field.

    A pydantic location has additional elements, such as the member of a union.
    """
    holder: type[Options] = options
    info: FieldInfo | None = None
    path: list[str | int] = []
    for step in loc:
        known = keys(holder)
        if isinstance(step, str) and step in known:
            path, info = [*path, step], known[step]
            holder = nested(info) or holder
        elif info is None or nested(info):
            path = [*path, step]
    return tuple(path), holder, info


_NAMED: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    date: "a date YYYYMMDD",
    type(None): "None",
    Any: "anything",
}


def _words(annotation: Any, without: tuple[str, ...] = ()) -> str:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    choices = args if origin is Literal else next((one.names() for one in args if isinstance(one, OneOf)), ())
    if choices:
        return _alternatives(value for value in choices if value not in without)
    if origin is Annotated:
        return _words(args[0], without)
    if origin is tuple:
        return f"a list of: {_words(args[0], without)}"
    if origin is dict:
        return "a dictionary"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(arg, without) for arg in args)
    return _NAMED.get(annotation, "a dictionary")


def _alternatives(values: Iterable[Any]) -> str:
    return " or ".join(map(repr, values))
