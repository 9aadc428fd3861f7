"""The default method: reads the pool, then divides the budget by what it found."""
