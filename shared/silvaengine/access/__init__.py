"""What an API key proves and how often it may call.

The registry reads keys and limits with it, the gateways check them; tasks and worker need neither.
"""
