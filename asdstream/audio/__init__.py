"""Sound comes in: sources, resampling, windows and signal quality."""
