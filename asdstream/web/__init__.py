"""What is looked at in a browser or read by monitoring: metrics, health, the dashboard."""
