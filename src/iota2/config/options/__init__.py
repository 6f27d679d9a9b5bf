"""The options of each section, with types, defaults and descriptions."""
