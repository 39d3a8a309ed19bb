"""What is compared with, and what every subject serves; each runs in a process of its own."""
