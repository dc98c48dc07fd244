"""The sound around each alarm, kept as FLAC with a picture of it."""
