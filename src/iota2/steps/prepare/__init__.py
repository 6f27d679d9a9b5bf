"""Steps that describe the images of each tile."""
