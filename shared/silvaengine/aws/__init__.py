"""AWS's services, reached in one of two ways by what a call may cost.

Calls that a request or a cold start waits for go through the framework's own client: ``table_client``,
``apigateway``, ``json_api`` and ``lambda_invoker`` speak a service's protocol, ``client`` signs (``signing``,
``credentials``) and sends over kept connections (``http``), ``backoff`` repeats. Rare calls go through
``botocore``, which repeats by itself. ``errors`` says for all what a service's error means.
docs/decisions/2026-11-24-signed-client.md has the figures. Every subpackage above ``protocol`` may import
this one.
"""
