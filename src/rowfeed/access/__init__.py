"""How a server is reached, what of that is secret, and what its errors mean. No query."""
