"""Settings of all tests.

Property tests have no time limit, so that they do not fail on a busy machine. The garbage collector does not run while
tests are collected: nearly all of the objects that are created stay, and need not be visited again later.
"""

from __future__ import annotations

import gc

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
