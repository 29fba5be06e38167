"""`rowfeed bench`: the cost of each stage between a table and training."""
