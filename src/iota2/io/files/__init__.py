"""Opening, naming, replacing and downloading files."""
