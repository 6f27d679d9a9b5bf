"""Checks that the steps of some builders fit together, before any input is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from iota2 import layout
from iota2.config.places import KEYS
from iota2.core.builder import TILE_SOURCES, Builder, Chain
from iota2.core.graph import AXES, Artifact, Need, Step
from iota2.core.words import did_you_mean

_NAME = re.compile(r"\w[\w.-]*")
"""Pattern of the name of a step, which is also the name of its log folder, and of a group."""
_RESERVED = (layout.MARK, "logs")
"""Folders of the output tree for records and logs only."""


def chain_problems(chain: Chain, given: Sequence[Artifact], known: Sequence[Step]) -> Iterator[str]:
    """Problems of the builders and steps of a chain, one sentence each.

    ``given``: files that exist before the first job. ``known``: built-in steps, which are not checked and are suggested
    when an input is missing.
    """
    yield from _different_tiles(chain)
    for builder in chain.builders:
        yield from _builder_problems(builder)
    for step in chain.steps:
        if step not in known:
            yield from _step_problems(step)
    yield from _shared_outputs(chain.steps, given)
    yield from _missing_inputs(chain.steps, given, known)


def _different_tiles(chain: Chain) -> Iterator[str]:
    """Builders of one run that get their tiles from different inputs."""
    first = {
        ask: next(one.name for one in chain.builders if ask in one.asks) for ask in TILE_SOURCES if ask in chain.asks
    }
    if len(first) > 1:
        yield (
            f"builders {' and '.join(first.values())} cannot run together: tiles of the first are those of images, "
            "tiles of the second those of a grid. Run them with two configurations: the second builder first, and its "
            "output folder as chain.user_feat_path of the first"
        )


def _builder_problems(builder: Builder) -> Iterator[str]:
    """An empty builder, unknown options, and folders outside the output folder."""
    if not builder.steps:
        yield f"builder {builder.name} has no steps"
    names = [f"{section}.{key}" for section, keys in KEYS.items() for key in keys]
    for option in builder.options:
        if option not in names:
            yield f"builder {builder.name}: option {option!r} does not exist{did_you_mean(option, names)}"
    for folder in builder.folders:
        if not _is_inside(folder):
            yield f"builder {builder.name}: {_outside('folder', folder)}"


def _step_problems(step: Step) -> Iterator[str]:
    """Invalid names, words and paths of a step."""
    if not _NAME.fullmatch(step.name):
        yield f"step {step.name!r}: expected a name of letters, digits, '_', '-' and '.'"
    if not _NAME.fullmatch(step.group):
        yield f"step {step.name}: the group {step.group!r} must be a name of letters, digits, '_', '-' and '.'"
    if "/" in step.task:
        yield f"step {step.name}: the job name {step.task!r} contains '/'"
    yield from _unknown_words(step, "job name", step.task, AXES)
    for axis in step.over:
        if f"{{{axis}}}" not in step.task:
            yield f"step {step.name}: the job name {step.task!r} lacks {{{axis}}}, so several jobs would have one name"
    for artifact in step.makes.values():
        if not _is_inside(artifact.path):
            yield f"step {step.name}: {_outside('path', artifact.path)}"
        for axis in step.over:
            if axis not in artifact.axes:
                text = f"the path {artifact.path} lacks {{{axis}}}, so several jobs would make one file"
                yield f"step {step.name}: {text}"
        yield from _unknown_words(step, "path", artifact.path, (*AXES, *layout.CONSTANTS))


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] not in ("/", *_RESERVED) and ".." not in parts


def _outside(kind: str, path: str) -> str:
    return f"the {kind} {path} must be relative to the output folder, without '..', and not in {' or '.join(_RESERVED)}"


def _unknown_words(step: Step, kind: str, text: str, known: Sequence[str]) -> Iterator[str]:
    for word in re.findall(r"{(.*?)}", text):
        if word not in known:
            hint = did_you_mean(word, known) or f"; expected one of {', '.join(known)}"
            yield f"step {step.name}: {{{word}}} in the {kind} {text} is unknown{hint}"


def _shared_outputs(steps: Sequence[Step], given: Sequence[Artifact]) -> Iterator[str]:
    """Files that two steps make, that exist before the first job, or that lie in a folder that a step makes."""
    makers = {artifact.path: "" for artifact in given}
    for step in steps:
        for artifact in step.makes.values():
            maker = makers.setdefault(artifact.path, step.name)
            if maker == "":
                yield f"step {step.name} makes {artifact.path}, which exists before the first job; give it another path"
            elif maker != step.name:
                yield f"steps {maker} and {step.name} both make {artifact.path}; give one of them another path"
    for path, maker in makers.items():
        for parent in map(str, PurePosixPath(path).parents):
            if parent in makers:
                owner = f"step {makers[parent]} makes" if makers[parent] else "exists before the first job"
                yield f"step {maker}: {path} lies in {parent}, which {owner} as a whole; give it another path"


def _missing_inputs(steps: Sequence[Step], given: Sequence[Artifact], known: Sequence[Step]) -> Iterator[str]:
    """Required inputs that no earlier step makes, and optional ones that the step itself or a later one makes."""
    earlier = {artifact.path for artifact in given}
    makers = {artifact.path: step for step in reversed(steps) for artifact in step.makes.values()}
    for step in steps:
        for need in step.all_needs.values():
            paths = [artifact.path for artifact in need.choices]
            late = next((makers[path] for path in paths if path in makers and path not in earlier), None)
            if late or (not need.may_be_absent and earlier.isdisjoint(paths)):
                yield f"step {step.name} needs {' or '.join(paths)}, {_remedy(need, step, late, known)}"
        earlier.update(artifact.path for artifact in step.makes.values())


def _remedy(need: Need, step: Step, late: Step | None, known: Sequence[Step]) -> str:
    """Reason why an input is missing, and advice; ``late``: the step itself or a later one, if it makes the input."""
    if late:
        if late is step:
            return "which it makes itself"
        return f"which step {late.name} makes later: put {late.name} first, or give it an earlier group"
    if maker := _maker(need, known):
        return f"which step {maker.name} makes: add {maker.run.__module__}.STEP to the steps"
    return "which no step makes: add a step that makes it, or correct the path"


def _maker(need: Need, steps: Sequence[Step]) -> Step | None:
    paths = {artifact.path for artifact in need.choices}
    return next((one for one in steps if any(made.path in paths for made in one.makes.values())), None)
