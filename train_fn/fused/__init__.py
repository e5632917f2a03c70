"""Several small trials of the same shape trained as one: their weights stacked, each lane with its own settings."""
