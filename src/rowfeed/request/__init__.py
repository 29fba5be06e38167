"""What one query reads and returns. No connection."""
