"""One module for each source of events: what tells its events, and how they become calls."""
