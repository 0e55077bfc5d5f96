"""What makes a run a service: systemd, health, metrics, logs, reload."""
