"""Configuration: all options, the two file syntaxes, loading and checks."""

from __future__ import annotations

from iota2.config.options.schema import Config, describe
from iota2.config.template import minimal_config

__all__ = ["Config", "describe", "minimal_config"]
