"""What to train on which data, as data."""
