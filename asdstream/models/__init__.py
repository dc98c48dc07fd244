"""The networks and their front ends, nothing else."""
