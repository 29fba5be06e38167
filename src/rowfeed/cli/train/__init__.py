"""`rowfeed train`: train an autoencoder on a table, and judge it."""
