"""How the rows of a request become one array per sample: a file a layout."""
