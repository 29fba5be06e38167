"""The place of the data. Opens sessions, holds none."""
