"""The HTTP gateway: brings requests to the functions that the registry names."""
