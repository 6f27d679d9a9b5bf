"""Steps that measure the accuracy."""
