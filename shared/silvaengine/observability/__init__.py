"""The frame of every handler, and what an operator reads: log lines and alerts, both without secrets.

Services and the subpackages above import it; it gets no payload, no setting and no header.
"""
