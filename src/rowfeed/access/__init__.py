"""The way to reach a server, the secrets in it, and the meaning of the server's errors. No query."""
