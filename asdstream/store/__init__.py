"""What must survive a restart, in SQLite: alarms, outbox, references."""
