"""The configuration: every option, the two syntaxes it is written in, and how a file is read and checked."""

from __future__ import annotations

from iota2.config.options.schema import Config, describe
from iota2.config.template import minimal_config

__all__ = ["Config", "describe", "minimal_config"]
