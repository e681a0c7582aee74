"""What parts cost in time, as ratios within one run."""
