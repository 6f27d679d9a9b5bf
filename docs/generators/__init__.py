"""One module for each generated reference page."""
