"""A virtual factory on one machine: embedded broker, simulated machines and a fault to come, the daemon, a live view."""
