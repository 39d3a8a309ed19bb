"""The tools that the official conformance suite of MCP asks a server for, as a package of functions."""

MANIFEST = """\
package: conformance
mcp: true
memory: 256
timeout: 15
functions:
  test_simple_text: {call: "tools:simple_text", area: core}
  test_image_content: {call: "tools:image", area: core}
  test_audio_content: {call: "tools:audio", area: core}
  test_embedded_resource: {call: "tools:resource", area: core}
  test_error_handling: {call: "tools:refuse", area: core}
  greet: {call: "tools:greet", area: core}
  slow_compute: {call: "tools:slow_compute", area: core, type: Event}
  failing_job: {call: "tools:failing_job", area: core, type: Event}
  protocol_error_job: {call: "tools:protocol_error_job", area: core, type: Event, max_attempts: 1}
"""
SOURCE = '''\
import time
from typing import Any

from silvaengine_base import FunctionError

Proxy = dict[str, Any]
# The smallest PNG, a pixel, and a WAV without a sample.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="


def simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


def image() -> Proxy:
    """Return a picture."""
    return binary("image/png", PNG)


def audio() -> Proxy:
    """Return a sound."""
    return binary("audio/wav", WAV)


def resource() -> bytes:
    """Return bytes."""
    return b"This is an embedded resource content."


def binary(media_type: str, content: str) -> Proxy:
    headers = {"Content-Type": media_type}
    return {"statusCode": 200, "headers": headers, "body": content, "isBase64Encoded": True}


def refuse() -> None:
    """Fail on purpose."""
    raise FunctionError("This tool intentionally returns an error for testing", 400)


def greet(name: str) -> str:
    """Greet somebody."""
    return f"Hello, {name}!"


def slow_compute(seconds: float = 0) -> dict[str, float]:
    """Compute for some seconds."""
    time.sleep(seconds)
    return {"seconds": seconds}


def failing_job() -> None:
    """Refuse after a second."""
    time.sleep(1)
    raise FunctionError("This job fails for testing", 400)


def protocol_error_job() -> None:
    """Break."""
    raise ValueError("broken for testing")
'''
