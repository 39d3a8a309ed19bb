"""The framework's own code: what two services or more need, and nothing that is one service's decision."""
