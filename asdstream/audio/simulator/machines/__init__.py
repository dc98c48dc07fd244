"""The machine types, one a file."""
