"""A file that a client sends in a form."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of a multipart form, or a JSON object with the content as base64.

    ``filename`` and ``content_type`` are what the client says: neither a path to use nor proof of what the
    bytes are.
    """

    content: bytes
    filename: str = ""
    content_type: str = "application/octet-stream"
