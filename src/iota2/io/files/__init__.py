"""How files are opened, named, moved and fetched."""
