"""Steps from a map of classes to polygons."""
