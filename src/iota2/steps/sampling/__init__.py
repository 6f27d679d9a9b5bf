"""Steps from reference polygons to samples."""
