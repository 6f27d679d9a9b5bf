"""What there is to say about one option: type, limits, one sentence, users, whether it works today."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from iota2.io.addresses import is_remote, secret_in

YEARS = (1970, 2100)
"""First and last year of dates: before it no satellite took images of land."""
LONGEST_SHOWN = 200
"""Characters of a value that a message repeats."""
NOT_YET = "is known but not available yet"


@dataclass(frozen=True)
class About:
    """What a field knows besides its type and limits."""

    status: Literal["now", "later", "no effect"] = "now"
    reason: str = ""
    """Why the option has no effect."""
    later: tuple[str, ...] = ()
    """Values that are known but not available yet, of an option that is available."""
    form: str = ""
    """The expected value in words, when the annotation does not tell it."""
    builders: str = ""
    """Builders that use the option; those of the section when empty."""


def option(default: Any, sentence: str, *, about: About | None = None, alias: str | None = None, **limits: Any) -> Any:
    """A field of a section: available unless ``about`` says otherwise; mandatory with default ``...``."""
    extra: dict[str, Any] = {"about": about or About()}
    return Field(default, description=sentence, alias=alias, json_schema_extra=extra, **limits)


def planned(default: Any, sentence: str, *, builders: str = "", form: str = "", alias: str | None = None) -> Any:
    """A field that is known but not available yet: only its default is accepted."""
    return option(default, sentence, about=About("later", builders=builders, form=form), alias=alias)


def idle(default: Any, sentence: str, reason: str, *, builders: str = "", alias: str | None = None) -> Any:
    """A field that is accepted with a warning, without effect, because of ``reason``."""
    return option(default, sentence, about=About("no effect", reason=reason, builders=builders), alias=alias)


def about(field: FieldInfo) -> About:
    """What ``option`` kept for a field."""
    extra = field.json_schema_extra
    found = extra.get("about") if isinstance(extra, dict) else None
    return found if isinstance(found, About) else About()


def default_of(field: FieldInfo) -> Any:
    """The default, as it stands in a loaded configuration."""
    return field.get_default(call_default_factory=True)


class Options(BaseModel):
    """A dictionary of options: frozen, unknown keys refused, values that are not available yet refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _tidy(cls, value: Any, info: ValidationInfo) -> Any:
        """'None' and '' stand for None where None is the default; True and False are no numbers."""
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, str) and value.lower() in ("none", "") and default_of(field) is None:
            return None
        kinds = {field.annotation, *typing.get_args(field.annotation)}
        if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
            raise ValueError(f"expected {expected(field)}, got {value}")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _available(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        known = about(field)
        if known.status == "later" and value != default_of(field):
            raise ValueError(f"{NOT_YET}; remove it or give its default, {shown(default_of(field))}")
        for item in value if isinstance(value, tuple) else (value,):
            if known.later and item in known.later:
                raise ValueError(f"{item!r} {NOT_YET}; expected {expected(field)}")
        return value


class Section(Options):
    """One section of the configuration."""

    section_name: ClassVar[str]
    about_section: ClassVar[str]
    builders: ClassVar[str] = "C"


def keys(options: type[Options]) -> dict[str, FieldInfo]:
    """The fields of a dictionary of options under the names that are written in files."""
    return {field.alias or name: field for name, field in options.model_fields.items()}


def nested(field: FieldInfo) -> type[Options] | None:
    """The class of the dictionaries that an option holds, itself or in a container; None for others."""
    pending = [field.annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, Options):
            return annotation
        pending.extend(typing.get_args(annotation))
    return None


def closest(word: str, among: Iterable[str]) -> str | None:
    """The name most like ``word``, whatever its case; None when none is near."""
    names = {name.lower(): name for name in sorted(among)}
    found = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return names[found[0]] if found else None


def nearest(word: str, among: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the name most like ``word``, or nothing when none is near."""
    found = closest(word, among)
    return f"; did you mean '{found}'?" if found else ""


def expected(field: FieldInfo) -> str:
    """What an option takes, in words: type, then limits."""
    return " ".join(part for part in (kind(field), limits(field)) if part)


def kind(field: FieldInfo) -> str:
    """The type of an option, in words; values that are not available yet are left out."""
    return about(field).form or _words(field.annotation, about(field).later)


def limits(field: FieldInfo) -> str:
    """The limits of a number, in words."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [
        f"{sign} {getattr(limit, name)}"
        for limit in field.metadata
        for name, sign in signs.items()
        if hasattr(limit, name)
    ]
    return " and ".join(found)


def shown(value: Any) -> str:
    """A value as one writes it in a configuration."""
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
    if origin is Literal:
        return " or ".join(repr(value) for value in args if value not in without)
    if origin is Annotated:
        return _words(args[0], without)
    if origin is tuple:
        return f"a list of: {_words(args[0], without)}"
    if origin is dict:
        return "a dictionary"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(arg, without) for arg in args)
    return _NAMED.get(annotation, "a dictionary")


def _located(path: Path, info: ValidationInfo) -> Path:
    """The path; a relative one starts at the folder of the configuration file, or that which ``--paths-from`` gives."""
    folder = (info.context or {}).get("folder")
    path = path.expanduser()
    return Path(folder, path) if folder else path


def _existing_file(path: Path, info: ValidationInfo) -> Path:
    return _existing(path, info, "file", Path.is_file)


def _existing_folder(path: Path, info: ValidationInfo) -> Path:
    return _existing(path, info, "folder", Path.is_dir)


def _existing(written: Path, info: ValidationInfo, what: str, there: Callable[[Path], bool]) -> Path:
    """The path, located; ValueError when there is no such file or folder, with where there is one."""
    path = _located(written, info)
    if (info.context or {}).get("check_paths") and not there(path):
        raise ValueError(f"no {what} {path}; {_why_not(path)}{_elsewhere(written, info, there)}")
    return path


def _elsewhere(written: Path, info: ValidationInfo, there: Callable[[Path], bool]) -> str:
    """What to do when a relative path leads to something from another folder than that at which it starts."""
    context = info.context or {}
    return elsewhere(written, context.get("folder"), there, home=context.get("home"))


def elsewhere(written: Path, start: Path | None, there: Callable[[Path], bool], *, home: Path | None = None) -> str:
    """The sentence on a path that was not found from ``start`` and is from the working directory, or from ``home``,
    the folder of the configuration file; nothing when it is not."""
    if written.expanduser().is_absolute() or start is None:
        return ""
    if there(found := Path.cwd() / written) and Path.cwd().resolve() != start.resolve():
        return (
            f". {found} exists, but relative paths start at {start}: to start all of them at the working directory, "
            "add --paths-from . (Iota2.py: -paths_from .)"
        )
    if home is not None and home.resolve() != start.resolve() and there(home / written):
        return f". {home / written} exists, but relative paths start at {start}, as --paths-from asks: leave it out"
    return ""


def _found_source(text: str, info: ValidationInfo) -> str:
    """An address as it is; else the path of a file or folder, which must exist."""
    if is_remote(text):
        if secret := secret_in(text):
            raise ValueError(f"the address has {secret}, which may be secret and would stand in records; leave it out")
        return text
    if "://" in text:
        raise ValueError(f"expected a folder, a file or an address with http or https, got {text!r}")
    return str(_existing(Path(text), info, "file or folder", Path.exists))


def _why_not(path: Path) -> str:
    """What is there instead of an expected path, and what to do."""
    if path.exists():
        return f"it is a {'folder' if path.is_dir() else 'file'}, correct the path"
    absent = next((p for p in reversed((path, *path.parents)) if not p.exists()), path)
    return f"{absent.parent} has no '{absent.name}', correct the path"


def shortened(text: str) -> str:
    """The text, or its beginning when it is long."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _date(value: Any) -> Any:
    """A date from YYYYMMDD as text or number."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return value
    try:
        day = date.fromisoformat(str(value) if re.fullmatch(r"\d{8}", str(value)) else "")
    except ValueError:
        raise ValueError(f"expected a date YYYYMMDD, got {shortened(repr(value))}") from None
    if not YEARS[0] <= day.year <= YEARS[1]:
        raise ValueError(f"expected a date YYYYMMDD of the years {YEARS[0]} to {YEARS[1]}, got {value!r}")
    return day


def _listed(value: Any) -> Any:
    """A list of words; a text is split at blanks and commas."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


AnyPath = Annotated[Path, AfterValidator(_located)]
InputFile = Annotated[Path, AfterValidator(_existing_file)]
InputFolder = Annotated[Path, AfterValidator(_existing_folder)]
Source = Annotated[str, AfterValidator(_found_source)]
"""The address of something on a web server, or the absolute path of a file or folder."""
Day = Annotated[date, BeforeValidator(_date)]
Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
