"""The two ways to AWS, chosen by what a call costs.

What a request or a cold start waits for goes the short way: ``dynamodb``, ``management`` and
``silvaengine.invocation`` say what a service understands, ``service`` signs (``signing``, ``credentials``)
and sends over kept connections (``http``). Everything rare goes through botocore (``sdk``).
docs/decisions/2026-11-24-signed-client.md has the figures.
"""
