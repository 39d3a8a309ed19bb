"""A file that a client sends in a form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of a multipart form, or a JSON object with the content as base64.

    ``filename`` and ``content_type`` are what the client says: neither a path to use nor proof of what the
    bytes are.
    """

    # For what is inside an annotation of pydantic's.
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"val_json_bytes": "base64"}

    content: bytes
    filename: str = ""
    content_type: str = "application/octet-stream"
