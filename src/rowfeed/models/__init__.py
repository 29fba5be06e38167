"""Models that come with rowfeed, for Keras."""
