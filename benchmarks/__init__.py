"""How fast this is beside what else one could take; nothing here is a test."""
