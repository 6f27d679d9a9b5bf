"""Reasons to run a job again: the options, files or images that differ from the last run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from iota2 import layout
from iota2.core.files import read_text
from iota2.core.graph import Artifact
from iota2.io.files.atomic import write_text
from iota2.io.rasters.map_source import fingerprints_by_path
from iota2.io.rasters.raster_source import FINGERPRINT
from iota2.runs.plan.jobs import Job, Plan
from iota2.runs.progress.status import failures
from iota2.runs.records.records import Ledger
from iota2.runs.records.stamps import checksum
from iota2.runs.records.state import DAMAGE, StateFile, remove_obstacle, require, texts_by_name
from iota2.runs.records.verdicts import Verdict

PARAMETERS = layout.PARAMETERS.path
"""Parameters of steps by digest; records contain only the digest."""
MAX_VALUE_CHARACTERS = 80
"""Maximum length of a value in a message."""
SHOWN_BEFORE_DIFFERENCE = 20
"""Number of equal characters that are shown before the difference of two long values."""
FlatParameters = Mapping[str, Any]
"""Parameters by name: a text, or path and digest of a file."""


class Reasons:
    """Differences between the last runs in an output folder and the next one. Files are read on demand.

    ``texts``: text of each file of the survey, which is not written yet.
    """

    def __init__(self, root: Path, texts: Mapping[Path, str]) -> None:
        self._root, self._texts = root, texts
        self._steps: dict[tuple[str, str], Sequence[str]] = {}
        self._files: dict[str, Sequence[str]] = {}

    def parameters(self, job: Job, former: str, now: str) -> Sequence[str]:
        """See ``verdicts.ChangeDescriptions``."""
        if (former, now) not in self._steps:
            before = self._parameters.get(former)
            found = differences(before, flat_parameters(job.params)) if before is not None else []
            self._steps[former, now] = found or ("parameters changed",)
        return self._steps[former, now]

    def content(self, name: str) -> Sequence[str]:
        """See ``verdicts.ChangeDescriptions``."""
        if name not in self._files:
            self._files[name] = self._image_changes(name) or (f"{name} changed",)
        return self._files[name]

    def failure(self, id_: str) -> str:
        """See ``verdicts.ChangeDescriptions``."""
        return self._failures.get(id_, "")

    @cached_property
    def _parameters(self) -> Mapping[str, FlatParameters]:
        return kept_parameters(self._root)

    @cached_property
    def _failures(self) -> Mapping[str, str]:
        return failures(self._root)

    def _image_changes(self, name: str) -> list[str]:
        """Changed images of a tile or changes of a raster, for the survey's files of them; empty for other files."""
        path = self._root / name
        if layout.RASTER_SOURCE.matches(name):
            return self._raster_changes(path)
        if layout.MAP_SOURCE.matches(name):
            return self._map_changes(path)
        if path.name not in (Path(layout.SCENE.path).name, Path(layout.LISTING.path).name):
            return []
        listing = path.with_name(Path(layout.LISTING.path).name)
        try:
            before = texts_by_name(json.loads(read_text(listing)))
        except DAMAGE:
            return []
        return image_changes(before, json.loads(self._texts.get(listing, "{}")))

    def _map_changes(self, path: Path) -> list[str]:
        """Differences of the rasters of a map that becomes polygons from those of the last run."""
        try:
            before = fingerprints_by_path(read_text(path))
        except (*DAMAGE, KeyError, AttributeError):
            return []
        return image_changes(before, fingerprints_by_path(self._texts.get(path, "{}")))

    def _raster_changes(self, path: Path) -> list[str]:
        """Differences of a raster that is cut to tiles from that of the last run."""
        try:
            before = texts_by_name(json.loads(read_text(path)))
        except DAMAGE:
            return []
        now = json.loads(self._texts.get(path, "{}"))
        changed = before.pop(FINGERPRINT, "") != now.pop(FINGERPRINT, "")
        return [*([f"the pixels of {path.stem} changed"] if changed else []), *differences(before, now)]


def image_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Differences between two listings of image fingerprints by path."""
    both = before.keys() & now.keys()
    new, gone = sorted(now.keys() - both), sorted(before.keys() - both)
    if gone and not both and len(gone) == len(new):
        old, other = _different_folders(gone[0], new[0])
        if [path.removeprefix(old) for path in gone] == [path.removeprefix(other) for path in new]:
            return [f"the images were moved from {old} to {other}"]
    return [
        *(f"{_name(path)} changed" for path in sorted(both) if before[path] != now[path]),
        *(f"{_name(path)} is new" for path in new),
        *(f"{_name(path)} is missing" for path in gone),
    ]


def _different_folders(one: str, other: str) -> tuple[str, str]:
    """Two paths without the trailing parts that they have in common."""
    first, second = Path(one).parts, Path(other).parts
    shared = 0
    while shared < min(len(first), len(second)) - 1 and first[-1 - shared] == second[-1 - shared]:
        shared += 1
    return str(Path(*first[: len(first) - shared])), str(Path(*second[: len(second) - shared]))


def _name(path: str) -> str:
    return Path(path).name


# ---------------------------------------------------------------------------------------------------- parameters


def flat_parameters(params: Any) -> dict[str, Any]:
    """The parameters of a step by name, as text; for a file, its path and the digest of its bytes."""
    return dict(_flat("", params))


def _flat(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Path):
        return [(name, {"path": str(value), "content": checksum(value) if value.is_file() else ""})]
    parts = _parts(value)
    if parts is None:
        return [(name, _one_text(value))]
    return [pair for key, part in parts for pair in _flat(_joined(name, key), part)]


def _one_text(value: Any) -> str:
    if isinstance(value, set | frozenset):
        return ", ".join(sorted(map(_one_text, value)))
    if isinstance(value, tuple | list):
        return ", ".join(map(_one_text, value))
    return value.path if isinstance(value, Artifact) else str(value)


@runtime_checkable
class UserNames(Protocol):
    """Parameters with different names for the user."""

    def by_user_name(self) -> Mapping[str, Any]:
        """Values by the names that the user knows."""


def _parts(value: Any) -> list[tuple[str, Any]] | None:
    """The named parts of a value; None for a value that is shown as a whole."""
    if isinstance(value, UserNames):
        return list(value.by_user_name().items())
    if isinstance(value, BaseModel):
        return [(field.alias or name, getattr(value, name)) for name, field in type(value).model_fields.items()]
    if isinstance(value, Mapping):
        return [(str(key), part) for key, part in value.items()]
    if isinstance(value, tuple | list):
        return [(str(number), part) for number, part in enumerate(value)] if any(map(_parts, value)) else None
    if is_dataclass(value) and not isinstance(value, type | Artifact):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    return None


def _joined(name: str, key: str) -> str:
    """The full name of a part; a key with a dot, as of classifier options, is a full name already."""
    return f"{name}.{key}" if name and "." not in key else key


def differences(before: FlatParameters, now: FlatParameters) -> list[str]:
    """Differences as ``name: before → now``, or the path of a file with other content; moved files are equal.

    An empty value is ``none``, an absent one ``not set``; they are equal, because an empty list has no named parts.
    """
    names = [*now, *(name for name in before if name not in now)]
    pairs = ((name, before.get(name), now.get(name)) for name in names)
    return [_change(name, old, new) for name, old, new in pairs if _differ(old or "", new or "")]


def _differ(old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict) and (old["content"] or new["content"]):
        return bool(old["content"] != new["content"])
    return bool(old != new)


def _change(name: str, old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict) and Path(old["path"]).name == Path(new["path"]).name:
        return f"{new['path']}: content changed"
    before, now = _text(old), _text(new)
    if not (isinstance(old, dict) or isinstance(new, dict)):  # paths of files are shown whole
        before, now = _shortened(before, now)
    return f"{name}: {before} → {now}" if name else f"{before} → {now}"


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    return str(value["path"]) if isinstance(value, dict) else str(value) or "none"


def _shortened(old: str, new: str) -> tuple[str, str]:
    """The two texts if they are short, otherwise the parts in which they differ, as far as these are short."""
    if max(len(old), len(new)) <= MAX_VALUE_CHARACTERS:
        return old, new
    old, new = (", ".join(items) for items in _differing_items(old.split(", "), new.split(", ")))
    equal = _equal_at_start(old, new)
    start = equal - SHOWN_BEFORE_DIFFERENCE if equal > MAX_VALUE_CHARACTERS - SHOWN_BEFORE_DIFFERENCE else 0
    return _cut(old, start), _cut(new, start)


def _differing_items(old: Sequence[str], new: Sequence[str]) -> Iterable[Sequence[str]]:
    """Both lists without their equal first and last items, which an ellipsis replaces."""
    first = _equal_at_start(old, new)
    old, new, before = old[first:], new[first:], ["…"] * (first > 0)
    last = _equal_at_start(old[::-1], new[::-1])
    after = ["…"] * (last > 0)
    for items in (old, new):
        yield [*before, *items[: len(items) - last], *after] if len(items) > last else ["…"]


def _equal_at_start(one: Sequence[str], other: Sequence[str]) -> int:
    """Number of equal items at the start of two lists or texts."""
    shared = min(len(one), len(other))
    return next((k for k in range(shared) if one[k] != other[k]), shared)


def _cut(text: str, start: int) -> str:
    """At most MAX_VALUE_CHARACTERS of a text from ``start``, with an ellipsis for what is left out."""
    end = start + MAX_VALUE_CHARACTERS
    return f"{'…' * (start > 0)}{text[start:end]}{'…' * (len(text) > end)}"


def kept_parameters(root: Path) -> dict[str, FlatParameters]:
    """The parameters that ``keep_parameters`` wrote, by digest."""
    return PARAMETERS_FILE.load(root)


def _parsed(text: str) -> dict[str, FlatParameters]:
    content = json.loads(text)
    require(isinstance(content, dict), "expected an object")
    for params in content.values():
        require(
            isinstance(params, dict) and all(map(_is_flat, params.values())),
            "expected texts, or path and content of a file",
        )
    return dict(content)


def _is_flat(value: Any) -> bool:
    if isinstance(value, dict):
        return value.keys() == {"path", "content"} and all(isinstance(part, str) for part in value.values())
    return isinstance(value, str)


PARAMETERS_FILE: StateFile[dict[str, FlatParameters]] = StateFile(
    PARAMETERS, _parsed, dict, "It is recreated; until then, reasons do not show which parameters changed."
)
"""State file of the parameters of steps by digest."""


def keep_parameters(plan: Plan, verdicts: Mapping[str, Verdict], ledger: Ledger) -> None:
    """Save the parameters of each step by digest, for the reasons of later runs; unused ones are dropped."""
    known = kept_parameters(plan.root)
    first = {job.step.name: job for job in reversed(plan.jobs)}
    new = {verdicts[job.id].params: job.params for job in first.values() if verdicts[job.id].params not in known}
    if new:
        used = {record.params for record in ledger.records.values()} | {verdict.params for verdict in verdicts.values()}
        kept = {digest: params for digest, params in known.items() if digest in used}
        kept |= {digest: flat_parameters(params) for digest, params in new.items()}
        remove_obstacle(plan.root / PARAMETERS)
        write_text(plan.root / PARAMETERS, json.dumps(kept, indent=1))
