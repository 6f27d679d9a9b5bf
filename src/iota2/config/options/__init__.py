"""The options of each section, with their types, defaults and sentences."""
