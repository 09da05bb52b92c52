"""What the system does: functions that take ports as arguments."""
