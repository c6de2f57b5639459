"""Pure functions from recordings to numbers."""
