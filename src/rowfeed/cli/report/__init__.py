"""Pages and pictures. Draws what it is given, and knows neither databases nor models."""
