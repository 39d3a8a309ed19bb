"""What tenants used, as the roll-up has written it."""
