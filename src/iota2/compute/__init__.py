"""Pure functions on arrays and values: no file is opened here."""
