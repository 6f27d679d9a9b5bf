"""Steps that train models."""
