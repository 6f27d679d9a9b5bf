"""Configuration files as text: what is written, and on which line."""
