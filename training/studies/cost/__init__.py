"""What a flow costs, counted from graphs that never run: operations and memory."""
