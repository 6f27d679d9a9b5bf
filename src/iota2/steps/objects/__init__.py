"""Steps on segments: groups of pixels that are classified together."""
