"""Reading and writing of vector files, sample tables, and small tables that steps exchange."""
