"""Builders, one module each, and the lookup of those that a configuration selects."""

from iota2.chains.lookup import BUILDERS, SURVEY, chain_of, find_builders

__all__ = ["BUILDERS", "SURVEY", "chain_of", "find_builders"]
