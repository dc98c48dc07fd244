"""A virtual factory on one machine: broker, simulated machines, a fault to come, the daemon, a live view."""
