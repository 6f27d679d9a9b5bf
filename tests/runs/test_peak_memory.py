"""The peak memory of a job excludes earlier work of its process."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from iota2.runs.workers.peak_memory import peak_mib, reset_peak


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets")
def test_the_peak_memory_is_measured_and_can_be_reset() -> None:
    reset_peak()
    before = peak_mib()
    big = np.ones(200 << 17)
    assert peak_mib() >= before + 190
    del big
    reset_peak()
    assert peak_mib() < before + 100
