"""Findings of ``iota2 verify``, and the next run after it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from iota2.runs.records.lock import locked
from tests.chain.helpers import Case, case, command, run, small

__all__ = ["case", "small"]
MASK = "features/T31TCJ/nbView.tif"
SAMPLING = {"last_step": "sampling"}


def zero_middle(path: Path) -> bytes:
    """Overwrite bytes in the middle of a file, keeping size and time; returns the former content."""
    stat, content = path.stat(), path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(50) + content[middle + 50 :])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.read_bytes() != content
    return content


def test_damage_that_a_run_would_not_detect_is_repaired_by_the_next_run(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    config = case.configured(chain=SAMPLING)
    run(config)
    before = zero_middle(case.output / MASK)
    assert command(capsys, "verify", config)[0] == 0
    code, _, error = command(capsys, "verify", config, "--deep")
    assert code == 1
    assert f"1 output was changed or deleted:\n  {MASK}\nThe next run makes them again." in error
    _, message, _ = command(capsys, "plan", config)
    assert f"no record of {MASK}" in message
    run(config)
    assert (case.output / MASK).read_bytes() == before
    assert command(capsys, "verify", config, "--deep")[0] == 0


def test_a_missing_output_is_found_without_reading_bytes_and_made_again(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    config = case.configured(chain=SAMPLING)
    run(config)
    records = (case.output / ".iota2/records.jsonl").read_bytes()
    (case.output / MASK).unlink()
    code, _, error = command(capsys, "verify", config)
    assert code == 1
    assert f"  {MASK}\nThe next run makes them again." in error
    assert (case.output / ".iota2/records.jsonl").read_bytes() == records, "the run detects the change and reports it"
    run(config)
    assert command(capsys, "verify", config)[0] == 0


def test_verify_during_a_run_does_not_change_the_records(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = case.configured(chain=SAMPLING)
    run(config)
    zero_middle(case.output / MASK)
    with locked(case.output):
        code, _, error = command(capsys, "verify", config, "--deep")
    assert code == 1
    assert "The next run makes them again" not in error
    assert f"The next run does not detect these, whose size and time are unchanged:\n  {MASK}\n" in error
    assert "another run uses this folder" in error


def test_damage_is_reported_even_without_the_images(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = case.configured(chain=SAMPLING)
    run(config)
    zero_middle(case.output / MASK)
    for product in case.products():
        shutil.rmtree(product)
    code, _, error = command(capsys, "verify", config, "--deep")
    assert code == 1
    assert MASK in error


def test_outputs_of_earlier_settings_are_reported_as_not_needed(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    run(case.configured(chain=SAMPLING, arg_train={"runs": 2}))
    config = case.configured(chain=SAMPLING, arg_train={"runs": 1})
    code, message, _ = command(capsys, "run", config, "--workers", 0)
    assert code == 0
    assert f"files in {case.output} were made with earlier settings and are not changed:" in " ".join(message.split())
    gone = "samplesSelection/samples_region_1_seed_1.xml"
    (case.output / gone).unlink()
    code, message, _ = command(capsys, "verify", config)
    assert code == 0
    assert f"  {gone}\n1 output of earlier settings was changed or deleted" in message
    code, message, _ = command(capsys, "verify", config)
    assert code == 0
    assert "earlier settings" not in message


def test_verify_without_records_ends_with_exit_code_1(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = case.configured()
    for made in (False, True):
        if made:
            (case.output / ".iota2").mkdir(parents=True)
        for more in ((), ("--deep",)):
            code, message, error = command(capsys, "verify", config, *more)
            assert code == 1
            assert "unchanged" not in message
            assert f"{case.output}: no outputs are recorded here" in error
