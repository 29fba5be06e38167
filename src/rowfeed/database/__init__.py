"""Where the data is. Opens sessions, holds none."""
