"""The command `rowfeed`."""
