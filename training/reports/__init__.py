"""Pictures and tables of runs and studies."""
