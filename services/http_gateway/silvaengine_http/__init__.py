"""The HTTP gateway: requests become calls of the functions that the registry names."""
