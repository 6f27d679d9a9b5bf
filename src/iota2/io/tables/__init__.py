"""Vector files, sample tables, and small files that steps exchange."""
