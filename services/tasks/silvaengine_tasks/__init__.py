"""The tasks Lambda: AWS events become calls of functions, and the sweeper retries lost ones."""
