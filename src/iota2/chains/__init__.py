"""Built-in builders, one module each, and lookup of builders by name."""

from iota2.chains.lookup import BUILDERS, MAP_SURVEY, SURVEY, chain_of, find_builders, survey_files

__all__ = ["BUILDERS", "MAP_SURVEY", "SURVEY", "chain_of", "find_builders", "survey_files"]
