"""The page of the polygons of a map."""
