"""Plain functions: what one may return."""

import platform
import struct
import zlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any


@dataclass
class Order:
    """The result of ``order``."""

    item: str
    price: Decimal
    due: date


def order(item: str = "tea") -> Order:
    """Return a value: dataclasses, decimals, dates, UUIDs, sets and more become JSON by themselves."""
    return Order(item, price=Decimal("4.20"), due=date(2030, 1, 31))


def menu() -> str:
    """Return YAML text: it is sent unchanged, as application/x-yaml (and JSON text as application/json)."""
    return "soup: 3.50\nbread:\n  - rye\n  - wheat\n"


def picture() -> dict[str, Any]:
    """Return status and headers, too; bytes in the body are sent as base64 and arrive as bytes."""
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "image/png"},
        "body": _png(bytes.fromhex("ff8800")),
        "isBase64Encoded": True,
    }


def versions() -> dict[str, str]:
    """Return the versions in use; registered in the area ``admin``, so that ``core`` can't reach it."""
    return {"python": platform.python_version(), "machine": platform.machine()}


def _png(pixel: bytes) -> bytes:
    """Return one pixel as PNG; a name with an underscore can't be called from outside."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(b"\0" + pixel)) + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
