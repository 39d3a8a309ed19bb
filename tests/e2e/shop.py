"""A package that tests publish again and again: each build of it answers with its own number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.operator import announce_rows
from silvaengine_cli.publishing.publisher import Published, publish
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.rollback import Pointing, Turn
from silvaengine_cli.publishing.rollout import AT_ONCE, Rollout

from .http_client import Api, Response
from .registry_rows import Rows

PACKAGE = "shop"
KEY = "shop-key"
TENANTS = ("shop-acme", "shop-farm", "shop-mill")
MANIFEST = """\
package: shop
memory: 256
timeout: 15
functions:
  build: {call: "shop.builds:which", area: core, methods: [GET]}
  build_later: {call: "shop.builds:which", area: core, type: Event, methods: [POST]}
  build_never: {call: "shop.builds:never", area: core, type: Event, methods: [POST], backoff_seconds: 600}
"""
# Two modules, of which an answer that is from one release has the same number.
SOURCES = {
    "__init__.py": "",
    "number.py": "BUILD = {build}\n",
    "builds.py": """\
from shop.number import BUILD


def which(**_):
    return [BUILD, {build}]


def never(**_):
    raise RuntimeError("it fails each time")
""",
}


@dataclass
class Shop:
    """The package's folder, and where it is published.

    Args:
        folder: the package's.
        deployment: where it is published.
        builds: numbers by release.
        name: the package's.
        more: further sections of package.yaml.
        before_turn: is told the release that a rollback goes to.
    """

    folder: Path
    deployment: Deployment
    builds: dict[int, int] = field(default_factory=dict)
    name: str = PACKAGE
    more: str = ""
    before_turn: Callable[[int], None] = lambda _release: None
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def write(self) -> int:
        """Write the next build of the sources; return its number."""
        build = next(self._numbers)
        package = self.folder / PACKAGE
        package.mkdir(parents=True, exist_ok=True)
        manifest = MANIFEST.replace(f"package: {PACKAGE}", f"package: {self.name}")
        (self.folder / "package.yaml").write_text(manifest + self.more)
        (self.folder / "requirements.txt").touch()
        for name, text in SOURCES.items():
            (package / name).write_text(text.replace("{build}", str(build)))
        return build

    def publish(
        self, say: Callable[[str], None] = lambda _line: None, rollout: Rollout = AT_ONCE
    ) -> Published:
        """Publish what is written."""
        return publish(self.deployment, self.folder, "a test's", say, rollout=rollout)

    def publish_next(self) -> int:
        """Write and publish the next build; return its number."""
        build, published = self.write(), self.publish()
        assert published.is_new
        assert published.release is not None
        self.builds[published.release] = build
        return build

    @property
    def releases(self) -> PackageReleases:
        """The package's releases."""
        return PackageReleases(self.deployment, self.name)

    def announce(self) -> None:
        """Announce rows that were written past the publisher."""
        announce_rows(self.deployment)

    @property
    def pointing(self) -> Pointing:
        """What turns the pointer."""
        return Pointing(self.deployment, self.name, lambda _line: None)

    def roll_back(self) -> Turn:
        """Roll back to what served before."""
        self.before_turn(self.releases.pointer()["previous"])
        return self.pointing.roll_back(None, move_jobs=False)


def open_to(rows: Rows, tenants: Sequence[str] = TENANTS) -> None:
    """Let a common key of these tenants call the package's functions."""
    for tenant in tenants:
        rows.put("endpoints", endpoint_id=tenant, special_connection=False)
    row = {"functions": [], "packages": [{"package": PACKAGE}], "endpoints": list(tenants)}
    rows.put("connections", endpoint_id="1", api_key=KEY, **row)


def ask(api: Api, tenant: str = TENANTS[0]) -> Response:
    """Ask which build serves a tenant."""
    return api.get(f"/core/{tenant}/build", {"x-api-key": KEY})


def build_of(response: Response) -> int:
    """Return the build that has answered; fail where it isn't one alone."""
    assert response.status == 200, response.text
    (build,) = set(response.json())
    return int(build)
