"""The failure of sources that take an event as a whole: Lambda sends it again, and then keeps it.

The records that were done aren't run again then, since the ledger knows them.
"""

from collections.abc import Sequence

from silvaengine.errors import InvocationError, SilvaEngineError


def raise_failures(errors: Sequence[SilvaEngineError | None]) -> None:
    """Raise InvocationError, with the first cause, when a record failed."""
    failures = [error for error in errors if error]
    if failures:
        message = f"{len(failures)} of {len(errors)} records failed; the first: {failures[0].message}"
        raise InvocationError(message, error_message=failures[0].detail)
