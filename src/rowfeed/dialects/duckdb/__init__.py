"""DuckDB, through its own Python API."""
