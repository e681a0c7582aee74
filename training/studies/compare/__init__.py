"""Many ways to choose what is factored out: one flow, one budget, several seeds."""
