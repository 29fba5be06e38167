"""A value of a database in the dtype that was asked for, nothing of it lost. No SQL."""
