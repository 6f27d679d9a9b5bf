"""Resources of the jobs of each step and of workers on a cluster, from a resources file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from iota2.config.legacy import BLOCKS_WITHOUT_STEP, STEP_BLOCKS
from iota2.config.syntax.cfg import read_cfg
from iota2.config.syntax.document import Node, SectionText, read_text
from iota2.config.syntax.yaml_reader import read_yaml, written_in_yaml
from iota2.core.graph import Resources
from iota2.core.words import did_you_mean, nearest, normalised_name
from iota2.errors import ConfigError
from iota2.runs.workers.execute import Retry

WORKER_BLOCK = "iota2_chain"
"""Name of the block with the resources of workers."""
KEYS = ("nb_cpu", "ram", "walltime")
IDLE_KEYS = ("name", "process_min", "process_max", "nb_chunk")
"""Keys of legacy files without effect."""

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)b?", re.IGNORECASE)
_TIME = re.compile(r"([0-9]{1,6}):([0-5][0-9]):([0-5][0-9])")
_MIN_RAM_BYTES, _MAX_RAM_BYTES = 64 << 20, 1 << 50
"""Limits of ``ram`` in bytes: smaller values lack a unit, larger ones exceed any machine."""
_MAX_THREADS = 1 << 16


@dataclass(frozen=True)
class WorkerResources:
    """Resources of one worker on a cluster: enough for every job, because it may get any job."""

    threads: int = 1
    memory: int = 2 << 30
    """Bytes of the whole process."""
    seconds: int = 4 * 3600


@dataclass(frozen=True)
class ResourceSettings:
    """Resources of the jobs by step, and of workers."""

    steps: Mapping[str, Resources] = field(default_factory=dict)
    """Resources by step; other steps use those of the run."""
    fixed_threads: frozenset[str] = frozenset()
    """Steps whose number of threads the file gives."""
    worker: WorkerResources = field(default_factory=WorkerResources)
    remarks: tuple[str, ...] = ()
    """Notes on entries of the file without effect."""


def read_resources(
    path: Path | None, use: Resources, retry: Retry, steps: Collection[str], others: Iterable[str] = ()
) -> ResourceSettings:
    """The settings in a resources file; defaults without a file.

    ``steps``: names of the steps of the run; ``others``: those of other builders, whose blocks have no effect; ``use``:
    resources of steps that do not occur in the file. Half of ``ram``
    is for the arrays of a block; the other half for libraries, caches and the interpreter. Workers have the resources
    of the largest job after all retries. Raises ConfigError with all problems of the file.
    """
    blocks, remarks = _read(path, steps, others) if path else ({}, ())
    named = {name: block.resources(use) for name, block in blocks.items() if name != WORKER_BLOCK}
    fixed = frozenset(name for name in named if blocks[name].threads is not None)
    return ResourceSettings(named, fixed, _worker(blocks, use, retry), remarks)


@dataclass(frozen=True)
class _Block:
    threads: int | None = None
    ram: int | None = None
    seconds: int | None = None

    def resources(self, use: Resources) -> Resources:
        """``use``, replaced by the values of the block."""
        return replace(use, threads=self.threads or 1, memory=self.ram // 2 if self.ram else use.memory)


def _worker(blocks: Mapping[str, _Block], use: Resources, retry: Retry) -> WorkerResources:
    asked = blocks.get(WORKER_BLOCK, _Block())
    given = list(blocks.values())
    threads = max([use.threads, *(block.threads for block in given if block.threads)])
    memory = max([block.ram for block in given if block.ram] or [WorkerResources.memory, 2 * use.memory])
    seconds = asked.seconds or max((block.seconds for block in given if block.seconds), default=WorkerResources.seconds)
    grown = Resources(threads, memory)
    for _ in range(retry.allowed):
        grown = retry.next_resources(grown)
    return WorkerResources(max(threads, grown.threads), max(memory, grown.memory), seconds)


def _read(path: Path, steps: Collection[str], others: Iterable[str]) -> tuple[dict[str, _Block], tuple[str, ...]]:
    """Blocks by step name or ``WORKER_BLOCK``, and notes on entries without effect."""
    read = read_yaml if written_in_yaml(path) else read_cfg
    sections = read(read_text(path), path).sections
    idle = {*BLOCKS_WITHOUT_STEP, *others} - {*steps}.difference(BLOCKS_WITHOUT_STEP)
    known = {normalised_name(name): name for name in (*idle, WORKER_BLOCK, *steps, *STEP_BLOCKS)}
    problems: list[str] = []
    no_effect: list[str] = []
    blocks: dict[str, _Block] = {}
    named: dict[str, str] = {}
    for section in sections:
        name = known.get(normalised_name(section.name))
        step = STEP_BLOCKS.get(name or "", name)
        unused = name in idle or (step != WORKER_BLOCK and step not in steps)
        if name is None and (meant := nearest(section.name, known.values())):
            problems.append(f"line {section.line}: '{section.name}' is not a step; did you mean '{meant}'?")
        elif step is None or unused:
            no_effect.append(section.name if name else f"{section.name} (unknown)")
        if step is None or unused:
            continue
        if step in blocks:
            problems.append(
                f"line {section.line}: '{section.name}' and '{named[step]}' both concern step {step}; keep one"
            )
        blocks[step] = _block(section, problems, no_effect)
        named[step] = section.name
    if problems:
        raise ConfigError(problems, source=str(path))
    return blocks, (f"{path}: without effect here: {', '.join(dict.fromkeys(no_effect))}.",) if no_effect else ()


def _block(section: SectionText, problems: list[str], no_effect: list[str]) -> _Block:
    found: dict[str, int | None] = {}
    readers = {"nb_cpu": _count, "ram": _bytes, "walltime": _seconds}
    for key, node in section.options.items():
        where = f"line {node.line}: {section.name}.{key}"
        if key in IDLE_KEYS:
            no_effect.append(f"{section.name}.{key}")
        elif key not in KEYS:
            hint = did_you_mean(key, KEYS) or f"; expected one of {', '.join(KEYS)}"
            problems.append(f"{where} is unknown{hint}")
        else:
            try:
                found[key] = readers[key](node)
            except ValueError as err:
                problems.append(f"{where}: {err}, got {node.plain()!r}")
    return _Block(found.get("nb_cpu"), found.get("ram"), found.get("walltime"))


def _count(node: Node) -> int:
    value = node.value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("expected a whole number ≥ 1")
    if value > _MAX_THREADS:
        raise ValueError(f"expected at most {_MAX_THREADS} threads")
    return value


def _bytes(node: Node) -> int:
    found = _SIZE.fullmatch(node.value.strip()) if isinstance(node.value, str) else None
    size = float(found[1]) * _UNITS[found[2].lower()] if found else 0
    if size < _MIN_RAM_BYTES:
        raise ValueError("expected a size of at least 64mb, such as '5gb'")
    if size > _MAX_RAM_BYTES:
        raise ValueError("expected a size of at most 1024tb, such as '5gb'")
    return int(size)


def _seconds(node: Node) -> int:
    found = _TIME.fullmatch(node.value.strip()) if isinstance(node.value, str) else None
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) if found else 0
    if not seconds:
        raise ValueError("expected a duration 'HH:MM:SS' in quotes")
    return seconds
