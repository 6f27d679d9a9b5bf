"""Builders: one module for each, and the lookup of those that a configuration asks for."""

from iota2.chains.lookup import BUILDERS, SURVEY, chain_of, find_builders

__all__ = ["BUILDERS", "SURVEY", "chain_of", "find_builders"]
