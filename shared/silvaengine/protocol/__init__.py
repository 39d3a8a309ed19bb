"""What Lambdas say to one another, and the JSON that they and clients say it in.

Everything may import it; it imports nothing of the framework but errors.
"""
