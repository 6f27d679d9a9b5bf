"""Text, figures and HTML pages from values; this package reads no inputs and writes no pages."""
