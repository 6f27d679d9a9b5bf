"""Parsing of configuration files into values with line numbers."""
