"""Steps of maps of a quantity."""
