"""A value of a database in the requested dtype, without loss. No SQL."""
