"""Names that files with external features import, as in the original iota2."""
