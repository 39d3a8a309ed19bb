"""What an operator learns: log lines, alerts, and the redaction of secrets in both.

Services and rooms above may import it; it sees no payload, no setting and no header.
"""
