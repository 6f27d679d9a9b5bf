"""What goes wrong in a run: damaged products, a full disk, workers that die, disks that cannot be written to."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.core.random import generator
from iota2.errors import InputError, Iota2Error, JobsFailed
from iota2.runs import runner
from iota2.runs.preview import preview_run
from iota2.runs.progress.status import job_states
from iota2.runs.verify import damaged
from iota2.testing.files import WorldFiles
from iota2.testing.world import World
from tests.chain.conftest import configured
from tests.chain.helpers import EAST, WEST, Case, case, copied, run, said, small

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
    with pytest.raises(InputError, match="is truncated"):
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
    verdicts = preview_run(load_config(config), runner.Options()).verdicts.values()
    assert all(verdict.state == "fresh" for verdict in verdicts)
    found = made(case.output)
    shutil.rmtree(case.output)
    shutil.rmtree(path.parent)
    run(case.configured(chain=BOTH))
    assert made(case.output) == found


def test_a_damaged_product_that_was_fixed_comes_back(case: Case) -> None:
    path = case.file("*_FRE_B8.tif")
    whole = path.read_bytes()
    spoil_pixels(path)
    config = case.configured(chain={"skip_damaged_products": True, "remove_output_path": True})
    run(config)
    assert len(json.loads((case.output / ".iota2/damaged.json").read_text())) == 1
    found = preview_run(load_config(config), runner.Options()).survey
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


@pytest.fixture(scope="module")
def undisturbed(small: Case, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The products of a run that nothing happened to."""
    case = copied(small, tmp_path_factory.mktemp("undisturbed") / "case")
    run(case.configured())
    return made(case.output)


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


def fill(filler: Path) -> None:
    """Take all room of a disk."""
    with open(filler, "ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


FILLS_THE_DISK = """
import sys
from pathlib import Path
from iota2 import cli
from iota2.terminal import console
from tests.chain.test_failures import fill

filler, step, tell = Path(sys.argv.pop(1)), sys.argv.pop(1), console.Console.ended

def ended(self, result):
    tell(self, result)
    if result.id.startswith(step):
        fill(filler)

console.Console.ended = ended
cli.main()
"""
"""The command, on a disk that is full from the end of a step's first job on."""


@pytest.mark.parametrize("workers", ["0", pytest.param("1", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "step",
    [
        pytest.param("CommonMasks", marks=pytest.mark.long),
        "samplesExtraction",
        pytest.param("learnModel", marks=pytest.mark.long),
    ],
)
def test_a_full_disk_stops_the_run_cleanly_and_it_goes_on_once_there_is_room(
    case: Case, undisturbed: dict[str, bytes], small_disk: Path, step: str, workers: str
) -> None:
    output, filler = small_disk / "results", small_disk / "filler"
    config = load_config(case.configured(chain={"output_path": str(output)}))
    command = ["run", str(config.source), "--workers", workers]
    stopped = subprocess.run(
        [sys.executable, "-c", FILLS_THE_DISK, filler, step, *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=200,
    )
    message = stopped.stderr
    assert stopped.returncode == 2, message
    assert "Traceback" not in message
    states = states_of(output) if (output / "IOTA2_tasks_status.txt").exists() else {}
    assert states.get("reportGeneration/final_report", "blocked") in ("blocked", "waiting")
    last = message[message.index(f"error: {output}: the disk is full") :]
    assert re.search(r"\d+ k?B free now; the run needed about ", last)
    (failed, *_) = re.findall(r"^  (\w+/\w+): ", last, re.MULTILINE)
    assert f"log: {output}/logs/{failed}.err" in last
    assert last.splitlines()[-1].endswith(f"iota2 {' '.join(command)}")
    assert re.search("for a support request: |logs.zip could not be written: No space left", stopped.stdout)
    half_written = [path for path in output.rglob(".*.part*") if path.relative_to(output).parts[0] != "logs"]
    assert not half_written
    filler.unlink()
    assert not damaged(output, deep=True)
    results = runner.run(config, runner.Options(workers=0), runner.Watcher())
    kept = ("featureRecipe", "Envelope") if step == "learnModel" else f"{step}/"
    assert not any(id_.startswith(kept) for id_ in results)
    assert made(output) == undisturbed


def test_a_disk_without_the_room_is_refused_before_anything_runs(case: Case, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(23 << 20))
    with pytest.raises(Iota2Error, match=r"needs about .*MB more on this disk, .* are free"):
        run(case.configured(chain={"output_path": str(small_disk / "results")}))
    assert not (small_disk / "results/features/recipe.json").exists()


def test_a_run_is_done_again_on_a_disk_with_less_room_than_its_results_take(case: Case, small_disk: Path) -> None:
    output = small_disk / "results"
    run(case.configured(chain={"output_path": str(output)}))
    taken = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    room = int(0.75 * taken)
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - room))
    other_seed = case.configured(chain={"output_path": str(output)}, arg_train={"random_seed": 2})
    before = made(output)
    run(other_seed)
    assert made(output) != before
    afresh = {"output_path": str(output), "remove_output_path": True}
    run(case.configured(chain=afresh, arg_train={"random_seed": 1}))
    assert made(output) == before


# --------------------------------------------------------------------------------------------- workers, disks, memory


def workers_with_open(parent: int, name: str) -> list[psutil.Process]:
    """Processes below ``parent`` that have a file of this name open; none if it has ended."""
    found: list[psutil.Process] = []
    below: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        below = psutil.Process(parent).children(recursive=True)
    for process in below:
        try:
            found += [process for link in Path(f"/proc/{process.pid}/fd").iterdir() if os.readlink(link).endswith(name)]
        except OSError:
            continue
    return found


def run_while_killing(config: Config, log: str) -> tuple[int, str, set[int]]:
    """Exit code and output of a run whose workers are killed as soon as they have a log open; the killed workers."""
    command = [COMMAND, "run", config.source, "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    killed: set[int] = set()

    def kill() -> None:
        while process.poll() is None:
            for worker in workers_with_open(process.pid, log):
                with suppress(psutil.NoSuchProcess):
                    worker.send_signal(signal.SIGKILL)
                    killed.add(worker.pid)
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    printed, _ = process.communicate(timeout=240)
    killer.join()
    return process.returncode, printed, killed


def states_of(root: Path) -> dict[str, str]:
    """State by job, as the status file has them."""
    return {id_: job.state for id_, job in job_states(root).items()}


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_job_whose_worker_dies_each_time_is_set_aside_and_the_rest_is_finished(
    small_world: tuple[World, WorldFiles], tmp_path: Path
) -> None:
    edit = lambda text: text.replace("'classifier.rf.nbtrees' : 50", "'classifier.rf.nbtrees' : 600")  # noqa: E731
    config = configured(small_world[1], tmp_path, edit)
    root = config.chain.output_path
    code, printed, killed = run_while_killing(config, "/learning_model_1_seed_0.out")
    assert code == 2, printed
    assert len(killed) >= 3
    states = states_of(root)
    failed = [id_ for id_, state in states.items() if state == "failed"]
    assert failed == ["learnModel/learning_model_1_seed_0"], printed
    assert {state for id_, state in states.items() if id_.startswith(("samples", "classStatistics"))} == {"done"}
    assert states["learnModel/learning_model_2_seed_0"] == "done"
    assert states["reportGeneration/final_report"] == "blocked"
    last = printed[printed.index("1 of ") :]
    assert failed[0] in last
    assert "its worker died in all attempts" in last
    assert str(root / "logs" / f"{failed[0]}.err") in last
    assert f"iota2 run {config.source}" in last.splitlines()[-1]
    assert (root / "logs.zip").exists()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_part_whose_worker_dies_each_time_is_a_hole_that_the_report_shows(
    small_world: tuple[World, WorldFiles], tmp_path: Path
) -> None:
    edit = lambda text: text.replace("'classifier.rf.nbtrees' : 50", "'classifier.rf.nbtrees' : 300")  # noqa: E731
    config = configured(small_world[1], tmp_path, edit)
    root, part = config.chain.output_path, f"classification_{EAST}_part_0"
    code, printed, killed = run_while_killing(config, f"/{part}.out")
    assert code == 2, printed
    assert len(killed) >= 3
    states = states_of(root)
    assert [id_ for id_, state in states.items() if state == "failed"] == [f"classification/{part}"], printed
    assert states[f"classifShaping/shaping_{WEST}"] == "done", "the other tile is finished"
    assert states["mosaic/mosaic"] == states["reportGeneration/final_report"] == "blocked"
    for page in ("index.html", "results.html"):
        text = (root / "logs/html" / page).read_text(encoding="utf-8")
        assert f"<b>Tile {EAST}, rows 0 to 159 of 160 (part 0; the first row is 0)</b>" in text
        assert "its worker died in all attempts" in text
        assert "<code>final/Classif_Seed_0.tif</code>" in text
    index = (root / "logs/html/index.html").read_text(encoding="utf-8")
    assert index.index("Gaps in the map") < index.index("Failed jobs") < index.index('id="graph"')
    assert runner.run(config, runner.Options(workers=0), runner.Watcher()).keys() == {
        id_ for id_, state in states.items() if state in ("failed", "blocked")
    }
    index = (root / "logs/html/index.html").read_text(encoding="utf-8")
    assert "Gaps in the map" not in index
    results = (root / "logs/html/results.html").read_text(encoding="utf-8")
    assert '<a href="../../final/report.html"><b>Open' in results


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
    message: list[str] = []

    class Listens(runner.Watcher):
        def say(self, text: str) -> None:
            message.append(text)

    blocks = {}
    for mib in (64, 5):
        use = runner.Options(workers=0, use=replace(runner.Options().use, memory=mib << 20))
        runner.run(loaded, use, Listens())
        expected = next(line for line in reversed(message) if line.startswith("expected: "))
        blocks[mib] = (expected.partition("blocks of ")[2].partition(" columns")[0], made(case.output))
        shutil.rmtree(case.output)
    assert blocks[64][0] != blocks[5][0]
    assert blocks[64][1] == blocks[5][1]
