"""Steps that classify pixels."""
