"""Steps of features maps."""
