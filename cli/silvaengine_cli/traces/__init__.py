"""Traces, put together from what Lambdas have logged: each invocation's line is a span."""
