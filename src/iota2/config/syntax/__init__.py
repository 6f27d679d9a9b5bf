"""Configuration files as text: values with line numbers."""
