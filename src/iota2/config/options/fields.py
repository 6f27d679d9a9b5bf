"""Properties of one option: type, limits, description, builders, availability."""

from __future__ import annotations

import math
import os
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
    GetCoreSchemaHandler,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from iota2.core.files import MAX_NAME_BYTES, require_regular, without_dots
from iota2.core.words import did_you_mean
from iota2.errors import InputError, remedy_of
from iota2.io.files.addresses import is_remote, secret_in
from iota2.io.tables.vector_source import PATH_FORM, vector_source

LONGEST_PATH = 4096
"""Maximum length of a path on Linux, in bytes."""
YEARS = (1970, 2100)
"""First and last year of dates; no satellite took images of land before the first."""
FROM_HERE = "to start all of them at the working directory, add --paths-from . (Iota2.py: -paths_from .)"
VECTORS = (".shp", ".gpkg", ".sqlite", ".geojson")
"""File name extensions of vector files, without those of their companions."""
NOT_YET = "is known but not available yet"


@dataclass(frozen=True)
class About:
    """Properties of a field besides its type and limits."""

    status: Literal["now", "later", "no effect"] = "now"
    reason: str = ""
    """Reason why the option has no effect."""
    later: tuple[str, ...] = ()
    """Values of an available option that are not available yet."""
    form: str = ""
    """The expected value in words, when the annotation does not define it."""
    builders: str = ""
    """Builders that use the option; those of the section when empty."""
    needed: bool = False
    """Whether builders may need the option; it is None in a configuration without these builders."""


@dataclass(frozen=True)
class Among:
    """Annotation of a text that is one of ``names()`` when it is read; ``Literal`` is for names known before."""

    names: Callable[[], tuple[str, ...]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """What pydantic calls."""
        return core_schema.no_info_plain_validator_function(self._known)

    def _known(self, value: Any) -> Any:
        if isinstance(value, str) and value in self.names():
            return value
        raise PydanticCustomError("literal_error", "expected {expected}", {"expected": _alternatives(self.names())})


def option(default: Any, sentence: str, *, about: About | None = None, alias: str | None = None, **limits: Any) -> Any:
    """A field of a section: available unless ``about`` says otherwise; mandatory with default ``...``."""
    extra: dict[str, Any] = {"about": about or About()}
    return Field(default, description=sentence, alias=alias, json_schema_extra=extra, **limits)


def needed(sentence: str, *, builders: str, form: str = "") -> Any:
    """A field that is mandatory when a requested builder needs it."""
    return option(None, sentence, about=About(builders=builders, form=form, needed=True))


def planned(default: Any, sentence: str, *, builders: str = "", form: str = "", alias: str | None = None) -> Any:
    """A known field that is not available yet: only its default is accepted."""
    return option(default, sentence, about=About("later", builders=builders, form=form), alias=alias)


def idle(default: Any, sentence: str, reason: str, *, builders: str = "", alias: str | None = None) -> Any:
    """A field that is accepted with a warning and has no effect, because of ``reason``."""
    return option(default, sentence, about=About("no effect", reason=reason, builders=builders), alias=alias)


def dormant(default: Any, sentence: str, switch: str, *, alias: str | None = None, builders: str = "") -> Any:
    """A field of a feature that is not available yet and is enabled by the option ``switch``: idle without it."""
    reason = f"it is used with {switch} only, which is not available yet"
    return idle(default, sentence, reason, alias=alias, builders=builders)


def about(field: FieldInfo) -> About:
    """The properties that ``option`` stored in a field."""
    extra = field.json_schema_extra
    found = extra.get("about") if isinstance(extra, dict) else None
    return found if isinstance(found, About) else About()


def is_mandatory(field: FieldInfo) -> bool:
    """Whether a configuration needs the option, always or for some builders."""
    return field.is_required() or about(field).needed


def default_of(field: FieldInfo) -> Any:
    """The default, as in a loaded configuration."""
    return field.get_default(call_default_factory=True)


class Options(BaseModel):
    """A dictionary of options: frozen; unknown keys and values that are not available yet are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _tidy(cls, value: Any, info: ValidationInfo) -> Any:
        """Normalise values: 'None', '' and [] become None where None is the default; True and False are not numbers."""
        field = cls.model_fields[str(info.field_name)]
        none = value == [] or (isinstance(value, str) and value.strip().lower() in ("none", ""))
        if none and default_of(field) is None and not is_mandatory(field):
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
        if known.status == "later" and value != default_of(field) and not isinstance(value, Options):
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
    """The fields of a dictionary of options by their names in files."""
    return {field.alias or name: field for name, field in options.model_fields.items()}


def nested(field: FieldInfo) -> type[Options] | None:
    """The class of the dictionaries in an option, directly or in a container; None for other options."""
    pending = [field.annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, Options):
            return annotation
        pending.extend(typing.get_args(annotation))
    return None


def expected(field: FieldInfo) -> str:
    """Expected value of an option, in words: type, then limits."""
    return " ".join(part for part in (kind(field), limits(field)) if part)


def kind(field: FieldInfo) -> str:
    """The type of an option, in words; values that are not available yet are left out."""
    annotation = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return about(field).form or _words(annotation, about(field).later)


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


def shortened(text: str, length: int = 60) -> str:
    """The text, truncated when it is long."""
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
    choices = args if origin is Literal else next((one.names() for one in args if isinstance(one, Among)), ())
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


def _located(path: Path, info: ValidationInfo) -> Path:
    """The absolute path. Relative paths start at ``--paths-from``, or else at the folder of the configuration file."""
    folder = (info.context or {}).get("folder")
    path = usable_path(path)
    return without_dots(Path(folder, path) if folder else path)


def usable_path(path: Path) -> Path:
    """A path with ``~`` expanded; ValueError for a path that is invalid in any file system."""
    if "\0" in str(path):
        raise ValueError(f"{str(path)!r} has a character NUL, which no path can have; correct the path")
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > MAX_NAME_BYTES or len(os.fsencode(path)) > LONGEST_PATH:
        raise ValueError(f"{shortened(str(path))!r} is longer than file systems hold; correct the path")
    try:
        return path.expanduser()
    except RuntimeError:
        user = path.parts[0]
        raise ValueError(f"{str(path)!r}: there is no user {user!r} on this machine; write the path out") from None


def _existing_file(path: Path, info: ValidationInfo) -> Path:
    return _existing(path, info, "file", Path.is_file)


def _existing_vector(written: Path, info: ValidationInfo) -> Path:
    """The absolute path of an existing vector file, with its layer if given in the notation of QGIS."""
    path = _located(written, info)
    try:
        file = vector_source(path).file
    except InputError as err:
        raise ValueError(str(err)) from None
    if (info.context or {}).get("check_paths") and not _found(file, Path.is_file):
        there = _elsewhere(written, info, lambda found: vector_source(found).file.is_file())
        form = f". A layer is chosen by {PATH_FORM}" if "|" in path.name else ""
        raise ValueError(f"no file {file}{there or _why_not(file, Path.is_file)}{form}")
    return path


def _existing_folder(path: Path, info: ValidationInfo) -> Path:
    return _existing(path, info, "folder", Path.is_dir)


def _existing(written: Path, info: ValidationInfo, what: str, kind: Callable[[Path], bool]) -> Path:
    """The absolute path; ValueError when it does not exist, with a hint when the file or folder exists elsewhere."""
    path = _located(written, info)
    if (info.context or {}).get("check_paths") and not _found(path, kind):
        raise ValueError(f"no {what} {path}{_elsewhere(written, info, kind) or _why_not(path, kind)}")
    return path


def _found(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether a path is of the given kind; ValueError when it cannot be inspected."""
    try:
        return kind(path)
    except OSError as err:
        raise ValueError(f"{path} cannot be looked at ({err.strerror}). {remedy_of(err)}") from None


def _elsewhere(written: Path, info: ValidationInfo, kind: Callable[[Path], bool]) -> str:
    """A hint when a relative path exists from another start; see ``elsewhere``."""
    context = info.context or {}
    return elsewhere(written, context.get("folder"), kind, home=context.get("home"))


def elsewhere(written: Path, start: Path | None, kind: Callable[[Path], bool], *, home: Path | None = None) -> str:
    """A hint on a relative path that does not exist from ``start`` but from the working directory, or from ``home``,
    the folder of the configuration file; empty otherwise."""
    if usable_path(written).is_absolute() or start is None:
        return ""
    if _visible(found := Path.cwd() / written, kind) and Path.cwd().resolve() != start.resolve():
        return f". {found} exists, but relative paths start at {start}: {FROM_HERE}"
    if home is not None and home.resolve() != start.resolve() and _visible(home / written, kind):
        return (
            f". {home / written} exists, but relative paths start at {start}, as --paths-from asks: give the whole "
            "path, or leave --paths-from out"
        )
    return ""


def _visible(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether a path is of the given kind; False when it cannot be inspected."""
    try:
        return kind(path)
    except OSError:
        return False


def _found_source(text: str, info: ValidationInfo) -> str:
    """An address unchanged; else the path of an existing file or folder."""
    if is_remote(text):
        if secret := secret_in(text):
            raise ValueError(f"the address has {secret}, which may be secret and would stand in records; leave it out")
        return text
    if "://" in text:
        raise ValueError(f"expected a folder, a file or an address with http or https, got {text!r}")
    return str(_existing(Path(text), info, "file or folder", Path.exists))


def _why_not(path: Path, kind: Callable[[Path], bool]) -> str:
    """Reason why an expected path is missing, and advice."""
    if path.is_dir():
        return "; it is a folder, correct the path"
    if path.exists():
        try:
            require_regular(path)
        except OSError as err:
            return f"; it {err.strerror}, correct the path"
        return "; it is a file, correct the path"
    if path.is_symlink():
        return "; it is a symbolic link that leads nowhere, correct the link or the path"
    absent = next((p for p in reversed((path, *path.parents)) if not p.exists()), path)
    if absent == path:
        return _name_meant(path, kind) or "; correct the path"
    return f"; {absent.parent} has no '{absent.name}'" + (_name_meant(absent, Path.is_dir) or ", correct the path")


def _name_meant(absent: Path, kind: Callable[[Path], bool]) -> str:
    """A suggestion for a missing name: an entry of the folder with another extension, or with a similar name."""
    try:
        there = sorted(one.name for one in absent.parent.iterdir() if _visible(one, kind))
    except OSError:
        return ""
    endings = [name for name in there if Path(name).stem == absent.name or Path(name).stem == absent.stem]
    vectors = [name for name in endings if Path(name).suffix.lower() in VECTORS]
    if meant := next(iter(vectors or endings), None):
        return f"; did you mean '{meant}'?"
    return did_you_mean(absent.name, there)


def read_date(value: Any) -> Any:
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


def _numbers(value: Any) -> Any:
    """A list of finite numbers, also from a single number or a text."""
    listed = _listed(value) if isinstance(value, str | list | tuple) else (value,)
    for one in listed:
        try:
            fine = not isinstance(one, bool) and math.isfinite(float(one))
        except (TypeError, ValueError, OverflowError):
            fine = False
        if not fine:
            raise ValueError(f"expected a number or a list of numbers, such as -9999 or [-32768, -9999], got {one!r}")
    return tuple(float(one) for one in listed)


AnyPath = Annotated[Path, AfterValidator(_located)]
InputFile = Annotated[Path, AfterValidator(_existing_file)]
VectorFile = Annotated[Path, AfterValidator(_existing_vector)]
"""A vector file, or a layer of it in the notation of QGIS: ``file.gpkg

layername=NAME``; see ``io.tables.vector_source``.
"""
InputFolder = Annotated[Path, AfterValidator(_existing_folder)]
Source = Annotated[str, AfterValidator(_found_source)]
"""An address on a web server, or the absolute path of a file or folder."""
Day = Annotated[date, BeforeValidator(read_date)]
Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_numbers)]
"""Finite numbers: one, a list of them, or a text with them."""
