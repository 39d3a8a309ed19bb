"""Usage: what tenants' calls took, counted from the log lines of all Lambdas, hour by hour."""
