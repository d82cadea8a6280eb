"""What rules ask: of a row its calls, turns and texts; of all rows which are alike; their scores."""
