"""What only the command needs: training an autoencoder on anybody's table, and the report about it."""
