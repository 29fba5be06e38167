"""Windows are read ahead over several sessions, and cut into batches. The only folder with threads."""
