"""The release that an artefact is, and the refusal of calls for another one.

A package's artefact has a file with its release; the worker that ships with the platform has none. So a call
that reaches the wrong code, because a row or an artefact was altered, ends before any of that code runs.
"""

import json
from pathlib import Path

from silvaengine.errors import ConfigurationError
from silvaengine.named_tuple import NamedTuple

RELEASE_FILE = "silvaengine_release.json"
PROTOCOL = 1  # of payloads; silvaengine.registry.packages has the gateways' side of it

_SHOWN = 64  # characters of a digest: SHA-256 in hex has as many


class WrongReleaseError(ConfigurationError):
    """A call was for another release than the worker's; nothing of it ran."""


class Release(NamedTuple):
    """A package's release: its digest, which calls of it carry. Both are empty where there is none."""

    package: str = ""
    digest: str = ""

    def refusal(self, wanted: object) -> WrongReleaseError:
        """Return the error for a call of another release; its detail names both."""
        detail = f"the call is for {_named(wanted)}, this worker has {_named(self.digest)}"
        return WrongReleaseError("The function is misconfigured", detail=detail)


NO_RELEASE = Release()


def read_release(artefact: Path) -> Release:
    """Return the release that an artefact's root says it is."""
    try:
        members = json.loads((artefact / RELEASE_FILE).read_text())
    except FileNotFoundError:
        return NO_RELEASE
    return Release(members["package"], members["digest"])


def _named(digest: object) -> str:
    return f"release {str(digest)[:_SHOWN]!r}" if digest else "no release"
