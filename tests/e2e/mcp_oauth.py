"""A program of the official Python SDK that gets its token by itself."""

SOURCE = '''\
"""Its arguments are the server's URL, and the address where its host really is; it prints JSON."""

import asyncio
import json
import sys
from urllib.parse import parse_qsl, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

URL, ADDRESS = sys.argv[1:]


class Transport(httpx2.AsyncHTTPTransport):
    """Reaches the server's host at its address, without TLS, and notes what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = []

    async def handle_async_request(self, request):
        """Send a request."""
        url = request.url
        if url.host == urlsplit(URL).hostname:
            host, port = ADDRESS.split(":")
            request.url = url.copy_with(scheme="http", host=host, port=int(port))
        response = await super().handle_async_request(request)
        self.asked.append([request.method, url.path, response.status_code])
        return response


class Storage:
    """Keeps the client and its token in memory."""

    tokens = client = None

    async def get_tokens(self):
        """Return the token."""
        return self.tokens

    async def set_tokens(self, tokens):
        """Keep a token."""
        self.tokens = tokens

    async def get_client_info(self):
        """Return the client."""
        return self.client

    async def set_client_info(self, client):
        """Keep the client."""
        self.client = client


async def agree(url):
    """Let the user agree, whose browser is sent back with a code."""
    async with httpx2.AsyncClient() as browser:
        agreed.append(dict(parse_qsl((await browser.get(url)).headers["location"].partition("?")[2])))


async def come_back():
    """Return what the user came back with."""
    return AuthorizationCodeResult(**agreed[-1])


agreed = []


async def main():
    """Get a token, which isn't enough; connect with a better one, list and call."""
    metadata = OAuthClientMetadata(client_name="agent", redirect_uris=["http://localhost:1/callback"])
    provider = OAuthClientProvider(URL, metadata, Storage(), agree, come_back)
    transport = Transport()
    async with httpx2.AsyncClient(auth=provider, transport=transport, timeout=30) as http:
        message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        await http.post(URL, json=message, headers={"mcp-protocol-version": "2025-11-25"})
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            tools = (await client.list_tools()).tools
            called = (await client.call_tool(tools[0].name, {})).structured_content
            seen = [client.protocol_version, [tool.name for tool in tools], called, transport.asked]
    print(json.dumps(seen))


asyncio.run(main())
'''
