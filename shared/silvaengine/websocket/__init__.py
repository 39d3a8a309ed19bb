"""What a Lambda says to a connected client: frames, and how they are pushed."""
