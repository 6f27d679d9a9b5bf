"""A read-only installation works for users without a home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import iota2

MOUNTED = """
mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 77
exec "$2" -c '
import os, sys
import numpy as np
from iota2.compute.window_means import near
assert not os.access(sys.argv[1], os.W_OK)
print(near(np.array([[True, False, False]]), 1).sum(), os.environ["NUMBA_CACHE_DIR"])
' "$1"
"""


def test_compiled_code_is_cached_in_a_private_folder(tmp_path: Path) -> None:
    package = str(Path(iota2.__file__).parent)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": f"{package}/nobody",
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(Path(package).parent),
    }
    command = ["unshare", "--mount", "sh", "-c", MOUNTED, "sh", package, sys.executable]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and "Traceback" not in done.stderr:
        pytest.skip(f"no mount namespace can be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    count, place = done.stdout.split()
    assert int(count) == 2
    folder = Path(place)
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0
    assert list(folder.rglob("*.nbi"))
