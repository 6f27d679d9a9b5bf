"""Text, figures and pages from values: nothing is read or written here."""
