"""Layouts: how the rows of a request become one array per sample. One file per layout."""
