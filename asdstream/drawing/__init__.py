"""Pictures of sound and of figures, for people: pure of devices, networks and broker."""
