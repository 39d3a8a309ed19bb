"""What it costs, by one dated list of prices."""
