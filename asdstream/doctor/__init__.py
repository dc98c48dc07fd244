"""What may be wrong with a box, looked for one thing after the other, each with what mends it."""
