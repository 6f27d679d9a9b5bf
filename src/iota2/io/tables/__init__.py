"""Vector files, tables and small files that steps pass on."""
