"""What goes wrong in a run: damaged products, a full disk, workers that die, disks that cannot be written to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from iota2.config.load import load_config
from iota2.core.random import generator
from iota2.errors import InputError, Iota2Error, JobsFailed
from iota2.run import runner
from iota2.run.job import JobResult
from iota2.testing.world import World, WorldFiles
from tests.chain.conftest import configured
from tests.chain.helpers import EAST, WEST, Case, case, run, said, small

__all__ = ["case", "small"]
COMMAND = Path(sys.executable).with_name("iota2")
BOTH = {"list_tile": f"{WEST} {EAST}"}


def spoil_pixels(path: Path) -> None:
    """Damage pixels behind a whole header."""
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + generator(0).bytes(200) + content[middle + 200 :])


def made(output: Path) -> dict[str, bytes]:
    """Every product by name."""
    return {path.name: path.read_bytes() for path in (output / "final").glob("*.tif")}


# ------------------------------------------------------------------------------------------------ damaged products


def test_a_product_cut_short_is_left_out_when_asked_and_the_reports_say_so(case: Case) -> None:
    path = case.file("*_FRE_B8.tif")
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match="is cut short"):
        run(case.configured())
    run(case.configured(chain={"skip_damaged_products": True}))
    for name, text in said(case.output).items():
        assert f"left out, damaged: {path.parent.name}" in text, name


def test_pixels_found_damaged_in_a_job_leave_the_date_out_as_if_it_had_never_been(case: Case) -> None:
    path = case.file("*_FRE_B8.tif")
    spoil_pixels(path)
    with pytest.raises(JobsFailed, match=r"set chain\.skip_damaged_products"):
        run(case.configured(chain=BOTH))
    config = case.configured(chain=BOTH | {"skip_damaged_products": True})
    run(config)
    for name, text in said(case.output).items():
        assert f"left out, damaged: {path.parent.name}" in text, name
    dates = (case.output / f"features/{WEST}/tmp/Sentinel2_{WEST}_input_dates.txt").read_text().split()
    others = (case.output / f"features/{EAST}/tmp/Sentinel2_{EAST}_input_dates.txt").read_text().split()
    assert (len(dates), len(others)) == (2, 3), "the other tile keeps its product"
    verdicts = runner.look_ahead(load_config(config), runner.Options()).verdicts.values()
    assert all(verdict.state == "fresh" for verdict in verdicts)
    found = made(case.output)
    shutil.rmtree(case.output)
    shutil.rmtree(path.parent)
    run(case.configured(chain=BOTH))
    assert made(case.output) == found


def test_a_damaged_product_that_was_mended_comes_back(case: Case) -> None:
    path = case.file("*_FRE_B8.tif")
    whole = path.read_bytes()
    spoil_pixels(path)
    config = case.configured(chain={"skip_damaged_products": True, "remove_output_path": True})
    run(config)
    assert len(json.loads((case.output / ".iota2/damaged.json").read_text())) == 1
    found = runner.look_ahead(load_config(config), runner.Options()).found
    assert len(found.scenes[WEST].sensors[0].acquisitions) == 2
    path.write_bytes(whole)
    run(config)
    assert "left out, damaged" not in said(case.output)["RESULTS.txt"]


def test_when_every_product_is_damaged_the_run_is_refused(case: Case) -> None:
    for number in range(3):
        case.file("*_FRE_B8.tif", number).write_bytes(b"")
    with pytest.raises(InputError, match="every product is damaged"):
        run(case.configured(chain={"skip_damaged_products": True}))


# -------------------------------------------------------------------------------------------------------- full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


class FillsTheDisk(runner.Watcher):
    """Takes all room of a disk when the first job of a step has ended."""

    def __init__(self, filler: Path, step: str) -> None:
        self._filler, self._step = filler, step

    def ended(self, result: JobResult) -> None:
        if result.id.startswith(self._step) and not self._filler.exists():
            with open(self._filler, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    return


@pytest.mark.parametrize("step", ["CommonMasks", "samplesExtraction", "learnModel"])
def test_a_full_disk_stops_the_run_cleanly_and_it_goes_on_once_there_is_room(
    case: Case, small_disk: Path, step: str
) -> None:
    output, filler = small_disk / "results", small_disk / "filler"
    config = load_config(case.configured(chain={"output_path": str(output)}))
    with pytest.raises(Iota2Error, match=r"the disk is full: \d+ k?B free now; about .* were needed") as stopped:
        runner.run(config, runner.Options(workers=0), FillsTheDisk(filler, step))
    assert stopped.value.exit_code in (1, 2)
    half_written = [path for path in output.rglob(".*.part*") if path.relative_to(output).parts[0] != "logs"]
    assert not half_written
    filler.unlink()
    assert not runner.damaged(output, deep=True)
    runner.run(config, runner.Options(workers=0), runner.Watcher())
    on_small_disk = made(output)
    run(case.configured())
    assert made(case.output) == on_small_disk


def test_a_disk_without_the_room_is_refused_before_anything_runs(case: Case, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(23 << 20))
    with pytest.raises(Iota2Error, match=r"needs about .*MB on this disk, .* are free"):
        run(case.configured(chain={"output_path": str(small_disk / "results")}))
    assert not (small_disk / "results/features/recipe.json").exists()


# --------------------------------------------------------------------------------------------- workers, disks, memory


def workers_with_open(parent: int, name: str) -> list[psutil.Process]:
    """Processes below ``parent`` that have a file of this name open."""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        try:
            found += [process for link in Path(f"/proc/{process.pid}/fd").iterdir() if os.readlink(link).endswith(name)]
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_job_whose_worker_dies_each_time_is_set_aside_and_the_rest_is_finished(
    small_world: tuple[World, WorldFiles], tmp_path: Path
) -> None:
    edit = lambda text: text.replace("'classifier.rf.nbtrees' : 50", "'classifier.rf.nbtrees' : 600")  # noqa: E731
    config = configured(small_world[1], tmp_path, edit)
    root = config.chain.output_path
    command = [COMMAND, "run", config.source, "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    killed: set[int] = set()

    def kill() -> None:
        while process.poll() is None:
            for worker in workers_with_open(process.pid, "/learning_model_1_seed_0.out"):
                worker.send_signal(signal.SIGKILL)
                killed.add(worker.pid)
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    printed, _ = process.communicate(timeout=240)
    killer.join()
    assert process.returncode == 2, printed
    assert len(killed) >= 3
    states = {line.split()[-1]: line.split()[0] for line in (root / "IOTA2_tasks_status.txt").read_text().splitlines()}
    failed = [id_ for id_, state in states.items() if state == "failed"]
    assert failed == ["learnModel/learning_model_1_seed_0"], printed
    assert {state for id_, state in states.items() if id_.startswith(("samples", "classStatistics"))} == {"done"}
    assert states["learnModel/learning_model_2_seed_0"] == "done"
    assert states["reportGeneration/final_report"] == "blocked"
    last = printed[printed.index("1 of ") :]
    assert failed[0] in last
    assert "its worker died each time" in last
    assert str(root / "logs" / f"{failed[0]}.err") in last
    assert f"iota2 run {config.source}" in last.splitlines()[-1]
    assert (root / "logs.zip").exists()


def test_inputs_on_a_disk_that_cannot_be_written_to_are_left_alone(case: Case, tmp_path: Path) -> None:
    archive = case.files.folder
    config = case.configured(chain={"output_path": str(tmp_path / "elsewhere")})
    bound = subprocess.run(["mount", "--bind", archive, archive], check=False, capture_output=True)
    if bound.returncode != 0:
        pytest.skip("mounting needs root")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", archive], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (archive / "probe").touch()
        run(config)
    finally:
        subprocess.run(["umount", "-l", archive], check=True)
    assert (tmp_path / "elsewhere/final/RESULTS.txt").exists()


def test_half_the_memory_gives_smaller_blocks_and_the_same_bytes(case: Case) -> None:
    config = case.configured()
    loaded = load_config(config)
    told: list[str] = []

    class Listens(runner.Watcher):
        def say(self, text: str) -> None:
            told.append(text)

    blocks = {}
    for mib in (64, 4):
        use = runner.Options(workers=0, use=replace(runner.Options().use, memory=mib << 20))
        runner.run(loaded, use, Listens())
        expected = next(line for line in reversed(told) if line.startswith("expected: "))
        blocks[mib] = (expected.partition("blocks of ")[2].partition(" pixels")[0], made(case.output))
        shutil.rmtree(case.output)
    assert blocks[64][0] != blocks[4][0]
    assert blocks[64][1] == blocks[4][1]
