"""Function packages of the predecessor: what they say about themselves, and what they rely on."""
