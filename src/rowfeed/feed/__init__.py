"""The feed that training iterates over. Joins the other folders."""
