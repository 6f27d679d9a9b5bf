"""Built-in builders, one module each, and lookup of builders by name."""

from iota2.chains.lookup import BUILDERS, SURVEY, chain_of, find_builders

__all__ = ["BUILDERS", "SURVEY", "chain_of", "find_builders"]
