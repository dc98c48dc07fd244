"""Rebuilds the models offline and hands the daemon one thing: a bundle."""
