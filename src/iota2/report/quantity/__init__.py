"""The report on a map of a quantity."""
