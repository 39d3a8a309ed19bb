"""A package and a platform for the tests of what a package's stack is."""

from pathlib import Path

from silvaengine_cli.publishing.package import Package
from silvaengine_cli.publishing.platform import Platform

HERE = "eu-central-1:111122223333"
PLATFORM = Platform(
    stack="engine",
    stage="beta",
    region="eu-central-1",
    account="111122223333",
    partition="aws",
    table_prefix="se-",
    bucket="engine-payloads",
    architecture="x86_64",
    runtime="python3.13",
    layer=f"arn:aws:lambda:{HERE}:layer:engine-SharedLayer:7",
    environment={"STAGE": "beta", "TABLE_PREFIX": "se-"},
    network={},
    logging={},
    boundary="arn:aws:iam::111122223333:policy/engine-PackageBoundary-1",
    policy="arn:aws:iam::111122223333:policy/engine-PackagePolicy-1",
    service_role="arn:aws:iam::111122223333:role/engine-PackageServiceRole-1",
    tasks_events=f"arn:aws:lambda:{HERE}:function:engine-Tasks:events",
    dead_letters=f"arn:aws:sqs:{HERE}:engine-EventDeadLetterQueue-1",
    topic=f"arn:aws:sns:{HERE}:alarms",
    tenant_metrics=False,
    log_retention_days=30,
    queue_visibility=1980,
    queue_receives=5,
)
SMALLEST = """\
package: shop
functions:
  hello: {call: "shop:hello", area: core}
"""


def package(folder: Path, text: str) -> Package:
    """Write a package with one module, and read it."""
    (folder / "shop.py").write_text("def hello(): ...\n")
    (folder / "package.yaml").write_text(text)
    return Package.read(folder)
