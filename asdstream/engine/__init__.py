"""The micro-batch loop: windows in, embeddings out."""
