"""Two Lambdas: tasks makes AWS events into calls of functions, and the sweeper retries lost ones."""
