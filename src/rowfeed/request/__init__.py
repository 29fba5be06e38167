"""Requests, and the columns that they return. No connection."""
