"""Steps that assemble the maps."""
