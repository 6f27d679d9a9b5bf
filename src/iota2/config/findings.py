"""A finding of the rules for options, and the tests that several rules share."""

from __future__ import annotations

from dataclasses import dataclass

from iota2.config.options.chain import Chain
from iota2.config.options.fields import Section
from iota2.config.options.sensors import FOLDER_KEYS
from iota2.options import default_of


@dataclass(frozen=True)
class Finding:
    """A problem of, or a warning on, a combination of valid options."""

    section: str
    path: tuple[str, ...]
    """Keys from the section down to the option; empty for the section."""
    text: str
    fatal: bool = True
    """Whether it is a problem that stops the run; False for a warning."""


def changed(section: Section, name: str) -> bool:
    """Whether an option differs from its default."""
    return bool(getattr(section, name) != default_of(type(section).model_fields[name]))


def is_enabled(chain: Chain, section: str) -> bool:
    """Whether a sensor with product folders is enabled, by its folder or by STAC items."""
    found = chain.stac_items.collections.values() if chain.stac_items else ()
    return section in found or (section in FOLDER_KEYS and getattr(chain, FOLDER_KEYS[section]) is not None)
