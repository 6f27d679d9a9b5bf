"""Inputs, state files and models with bytes changed at random: every command ends well or says why not, soon.

Each mutant goes through the command line in a process of its own: exit code 0, 1 or 2, never a traceback, within
seconds, without much memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from iota2.core.random import generator
from iota2.io.archive.specs import builtin_specs
from iota2.runs.progress.state_notes import STATE_FILES
from iota2.testing.classes import BANDS
from tests.chain.helpers import SMALL, Case, made
from tests.chain.test_optical_sensors import delivered
from tests.forked import Commands, Outcome, commands

pytestmark = pytest.mark.long
MOST_SECONDS, MOST_MEMORY = 5.0, 500 << 20
"""Of commands that read headers and state only."""
RUN_SECONDS, RUN_MEMORY = 60.0, 1 << 30
EXTREMES = (b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff\xff\xff\x7f", b"\xff" * 8, b"\x00" * 8)
WORDS = (
    b"-1",
    b"1e400",
    b"NaN",
    b"9" * 400,
    b"[" * 3000,
    b'"',
    b"{",
    b"\n",
    b"null",
    b"../../..",
    b"%s",
    b"&a;",
    b"<!",
)


@pytest.fixture(scope="module")
def iota2() -> Iterator[Commands]:
    with commands() as started:
        yield started


@dataclass(frozen=True)
class Subject:
    """A small world that was mapped, and the same images as ESA delivers them."""

    case: Case
    theia: Path
    esa: Path
    """Configurations."""
    jp2: Path
    """Folder of the images of ESA."""


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory, iota2: Commands) -> Subject:
    case = made(SMALL, tmp_path_factory.mktemp("fuzz") / "world")
    spec, root = builtin_specs()["Sentinel_2_S2C"], case.files.folder / "esa"
    delivered(case, spec, root, dict(zip(spec.band_names, BANDS, strict=True)))
    other = {"s2_path": None, "s2_s2c_path": str(root), "output_path": str(case.files.folder / "none")}
    esa = case.configured(chain=other)
    esa = esa.rename(esa.with_name("esa.yaml"))
    theia = case.configured()
    for config in (esa, theia):
        assert iota2("check", config).code == 0
    assert iota2("run", theia, "--workers", 0, seconds=RUN_SECONDS).code == 0
    return Subject(case, theia, esa, root)


def mutant(whole: bytes, random: np.random.Generator) -> bytes:
    """Other content: some bytes changed, taken away, moved or put in, most often where headers are."""
    content = bytearray(whole)

    def place() -> int:
        return int(random.integers(max(1, min(len(content), 600) if random.random() < 0.7 else len(content))))

    match int(random.integers(7)):
        case 0:
            return bytes(content[: place()])
        case 1:
            for _ in range(int(random.integers(1, 9))):
                at = place()
                content[at : at + 1] = bytes([int(random.integers(256))])
        case 2:
            at, extreme = place(), EXTREMES[int(random.integers(len(EXTREMES)))]
            content[at : at + len(extreme)] = extreme
        case 3:
            at, extreme = place() // 4 * 4, EXTREMES[int(random.integers(len(EXTREMES)))]
            content[at : at + len(extreme)] = extreme
        case 4:
            at = place()
            content[at:at] = WORDS[int(random.integers(len(WORDS)))]
        case 5:
            first, last = sorted((place(), place()))
            del content[first:last]
        case _:
            first, last = sorted((place(), place()))
            at = place()
            content[at:at] = content[first:last]
    return bytes(content)


@contextmanager
def spoiled(path: Path, content: bytes) -> Iterator[None]:
    """Another content while the body runs."""
    whole = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(whole)


def assert_well(outcome: Outcome, about: object, *, seconds: float = MOST_SECONDS, memory: int = MOST_MEMORY) -> None:
    assert outcome.code in (0, 1, 2), (about, outcome)
    assert "Traceback" not in outcome.output, (about, outcome)
    assert "a bug in iota2" not in outcome.err, (about, outcome)
    assert outcome.seconds < seconds, (about, outcome)
    assert outcome.peak < memory, (about, outcome)
    if outcome.code:
        assert "error: " in outcome.err, (about, outcome)


def tried(iota2: Commands, config: Path, paths: Sequence[Path], count: int, seed: int) -> list[int]:
    """Exit codes of ``check`` on so many mutants of each file."""
    codes = []
    for k, path in enumerate(paths):
        random = generator(seed, "fuzz", k)
        whole = path.read_bytes()
        for number in range(count):
            with spoiled(path, mutant(whole, random)):
                outcome = iota2("check", config, seconds=2 * MOST_SECONDS)
            assert_well(outcome, (path.name, seed, number))
            codes.append(outcome.code)
    return codes


def test_images_and_masks(subject: Subject, iota2: Commands) -> None:
    product = subject.case.products()[1]
    paths = [next(product.glob(pattern)) for pattern in ("*_FRE_B4.tif", "MASKS/*_CLM_R1.tif")]
    assert set(tried(iota2, subject.theia, paths, 60, 1)) == {0, 1}


def test_jpeg_2000_and_metadata(subject: Subject, iota2: Commands) -> None:
    product = sorted((subject.jp2 / "T31TCJ").iterdir())[1]
    image = next(product.rglob("*_B04_10m.jp2"))
    metadata = next(path for path in sorted(product.rglob("*.xml")) if b"QUANTIFICATION" in path.read_bytes())
    assert set(tried(iota2, subject.esa, [image, metadata], 60, 2)) >= {0, 1}


@pytest.mark.parametrize("kind", ["GPKG", "GeoJSON", "SQLite"])
def test_vectors_in_one_file(kind: str, subject: Subject, iota2: Commands, tmp_path: Path) -> None:
    path = tmp_path / f"reference.{kind.lower()}"
    subject.case.reference().to_file(path, driver=kind)
    config = tmp_path / "case.yaml"
    text = subject.theia.read_text(encoding="utf-8")
    config.write_text(text.replace(str(subject.case.files.ground_truth), str(path)), encoding="utf-8")
    assert set(tried(iota2, config, [path], 30, 8)) >= {1}


def test_vectors(subject: Subject, iota2: Commands) -> None:
    main = subject.case.files.ground_truth
    paths = [main.with_suffix(suffix) for suffix in (".shp", ".dbf", ".shx", ".prj", ".cpg")]
    assert set(tried(iota2, subject.theia, paths, 25, 3)) >= {0, 1}


def test_tables(subject: Subject, iota2: Commands) -> None:
    files = subject.case.files
    assert set(tried(iota2, subject.theia, [files.nomenclature, files.colors], 40, 4)) == {0, 1}


STATE = (*(file.path for file in STATE_FILES), ".iota2/records.jsonl", "features/T31TCJ/tmp/listing.json")


def test_state_files(subject: Subject, iota2: Commands, tmp_path: Path) -> None:
    """They can be made anew: nothing but the note differs, and a run ends well."""
    kept = shutil.copytree(subject.case.output, tmp_path / "kept")
    names = ("plan", "status", "verify", "check")
    for k, name in enumerate(STATE):
        random, path = generator(5, "fuzz", k), subject.case.output / name
        whole = (kept / name).read_bytes() if (kept / name).exists() else b'[{"tile": "T31TCJ"}]\n'
        for number in range(16):
            path.write_bytes(mutant(whole, random))
            command = names[number % len(names)]
            outcome = iota2(command, subject.theia, seconds=2 * MOST_SECONDS)
            assert_well(outcome, (name, command, number))
            assert outcome.code == 0 or command == "verify", (name, outcome)
            if number % 8 == 0:
                outcome = iota2("run", subject.theia, "--workers", 0, seconds=RUN_SECONDS)
                assert_well(outcome, (name, number), seconds=RUN_SECONDS, memory=RUN_MEMORY)
                assert outcome.code == 0, (name, outcome)
        shutil.rmtree(subject.case.output)
        shutil.copytree(kept, subject.case.output, copy_function=shutil.copy2)


def test_models(subject: Subject, iota2: Commands) -> None:
    """A run that begins with the classification takes the models as they are: it fails, or maps."""
    folder = subject.case.output / "model/model_1_seed_0"
    for k, name in enumerate(("model.json", "forest.npz")):
        random, path = generator(6, "fuzz", k), folder / name
        whole = path.read_bytes()
        for number in range(20):
            with spoiled(path, mutant(whole, random)):
                words = ("--workers", 0, "--first-step", "classification", "--last-step", "classification")
                outcome = iota2("run", subject.theia, *words, seconds=RUN_SECONDS)
            assert_well(outcome, (name, number), seconds=RUN_SECONDS, memory=RUN_MEMORY)
    assert iota2("run", subject.theia, "--workers", 0, seconds=RUN_SECONDS).code == 0


def test_inputs_of_jobs(subject: Subject, iota2: Commands) -> None:
    """What the headers do not tell shows when pixels are read: the jobs fail, and say so."""
    image = subject.case.file("*_FRE_B4.tif")
    random, whole = generator(7, "fuzz"), image.read_bytes()
    for number in range(10):
        content = bytearray(whole)
        at = 600 + int(random.integers(len(content) - 700))
        content[at : at + 64] = random.bytes(64)
        with spoiled(image, bytes(content)):
            outcome = iota2("run", subject.theia, "--workers", 0, seconds=RUN_SECONDS)
        assert_well(outcome, number, seconds=RUN_SECONDS, memory=RUN_MEMORY)
