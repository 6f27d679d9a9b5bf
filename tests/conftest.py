"""Settings of all tests: property tests have no time limit, so that they do not fail on a busy machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
