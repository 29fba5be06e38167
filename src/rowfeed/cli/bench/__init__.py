"""`rowfeed bench`: what each stage between a table and training costs."""
