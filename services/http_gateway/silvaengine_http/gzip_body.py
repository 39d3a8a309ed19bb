"""Bodies that come packed: unpacked as far as a body may be large, and no byte further.

Whoever packs zeros sends a thousandth of what is unpacked, so that the size that arrives says nothing.
"""

import zlib

from silvaengine.errors import RequestError
from silvaengine.protocol.messages import SYNC_LIMIT

_GZIP = 16 + zlib.MAX_WBITS  # docs.python.org/3/library/zlib.html#zlib.decompress


def unpacked(packed: bytes) -> bytes:
    """Return what one gzip member holds (RFC 1952), or, when that is more than 6 MB, a byte more than these.

    Raises:
        RequestError: it is damaged, cut off, or something follows it.

    """
    stream = zlib.decompressobj(_GZIP)
    try:
        data = stream.decompress(packed, SYNC_LIMIT + 1)
    except zlib.error:
        raise RequestError("The body is marked as gzip and is not") from None
    if len(data) <= SYNC_LIMIT and (not stream.eof or stream.unused_data):
        raise RequestError("The body is not one whole gzip member")
    return data
