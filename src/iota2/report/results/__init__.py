"""The accuracy report."""
