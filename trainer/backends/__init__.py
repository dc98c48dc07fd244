"""Ways to turn embeddings into an anomaly score. The smallest cosine distance is the default; the others are options
that helped some and hurt others, to be compared with `asdtrain ablate` before one of them is believed."""
