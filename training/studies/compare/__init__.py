"""The ablation: many ways to choose who leaves early, one flow, one budget, several seeds."""
