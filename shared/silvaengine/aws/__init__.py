"""The two ways to AWS, chosen by what a call costs.

What a request or a cold start waits for goes the short way: ``table_client``, ``apigateway``, ``json_api``
and
``lambda_invoker`` say what a service understands, ``client`` signs (``signing``, ``credentials``) and sends
over kept connections (``http``). Everything rare goes through ``botocore``.
docs/decisions/2026-11-24-signed-client.md has the figures. Every room above protocol may import it.
"""
