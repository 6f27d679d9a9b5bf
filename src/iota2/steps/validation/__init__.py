"""Steps that estimate the accuracy."""
