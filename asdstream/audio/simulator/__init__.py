"""Machines from physics: the simulator behind the demo, the tests and the default bundle."""
