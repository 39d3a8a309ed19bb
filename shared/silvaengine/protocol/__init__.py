"""The messages between Lambdas, and the JSON of messages and requests.

Everything may import it; of the framework it imports only errors.
"""
