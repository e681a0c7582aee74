"""Training, data sets and pictures for the flows of `tfp_lcma`."""
