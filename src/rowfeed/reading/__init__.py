"""Windows are read ahead over several sessions, and cut into batches. Of the library, the only folder with threads."""
