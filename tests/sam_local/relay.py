"""Relays TCP from an address that containers reach to the same port of 127.0.0.1, where the engine listens.

In a container 127.0.0.1 is the container itself; the engine stays on the machine's own loopback, and this
program is the only thing that listens on Docker's bridge.

usage: relay.py ADDRESS PORT
"""

import asyncio
import sys
from contextlib import suppress

CHUNK = 65_536


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    target.close()


async def relay(address: str, port: int) -> None:
    """Relay connections to `address:port` until cancelled. Raises OSError when it can't listen there."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            engine_reader, engine_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, engine_writer), _copy(engine_reader, writer))

    async with await asyncio.start_server(connect, address, port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(relay(sys.argv[1], int(sys.argv[2])))
