"""Opening, atomic replacement and download of files."""
