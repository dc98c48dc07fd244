"""Prototypes, references and calibration: embedding in, anomaly score out."""
