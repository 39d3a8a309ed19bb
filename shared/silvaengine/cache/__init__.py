"""The cache tiers. For now only the one in process memory, which the registry uses."""
