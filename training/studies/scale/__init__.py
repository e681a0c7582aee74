"""What several processes and their input cost: communication, and reading beside training."""
