"""Pages and pictures, drawn from arguments alone, without databases or models."""
