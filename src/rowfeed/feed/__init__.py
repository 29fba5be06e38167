"""What training iterates over: puts the other folders together."""
