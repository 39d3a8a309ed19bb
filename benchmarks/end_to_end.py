"""From HTTP to a function and back on the local engine, against two bare Lambdas in a chain on it."""

import time
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from benchmarks.harness import PROJECT
from benchmarks.harness.report import table
from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine, install_engine, local_engine
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.watch import REGISTRY_FILE

CHAINED = Path(__file__).parent / "peers/chained.py"
STACK = Path(__file__).parent / "peers/chained_stack.yaml"
WARM_UPS = 5
BUCKET = "benchmark-artefacts"


def run(*, quick: bool) -> str:
    """Return the section."""
    requests = 5 if quick else 200
    with (
        TemporaryDirectory() as folder,
        local_engine(install_engine(PROJECT), Path(folder, "state")) as engine,
    ):
        urls = {"two bare Lambdas, chained by boto3": chained(engine), "SilvaEngine": ours(engine)}
        times: dict[str, list[float]] = {name: [] for name in urls}
        for _ in range(requests + WARM_UPS):
            for name, url in urls.items():
                times[name] += [milliseconds(url)]
    taken = {name: sorted(values[WARM_UPS:]) for name, values in times.items()}
    base = median(next(iter(taken.values())))
    rows = [
        (name, median(values), median(values) / base, values[int(requests * 0.99)])
        for name, values in taken.items()
    ]
    return table(("", "ms, median", "ratio", "ms, 99 of 100"), rows)


def ours(engine: LocalEngine) -> str:
    """Deploy the project with its demo; return the address of a function."""
    outputs = deploy.deploy(PROJECT, engine)
    tables = RegistryTables(engine.client("dynamodb"), outputs.table_prefix)
    apply_file(PROJECT / REGISTRY_FILE, tables, outputs.worker_arn)
    return f"{outputs.api_url}/core/demo/hello?name=Ada"


def chained(engine: LocalEngine) -> str:
    """Deploy the two Lambdas; return the first one's address."""
    objects, stacks = engine.client("s3"), engine.client("cloudformation")
    objects.create_bucket(Bucket=BUCKET)
    archive = deploy.zip_files({"chained.py": CHAINED.read_bytes()})
    objects.put_object(Bucket=BUCKET, Key="chained.zip", Body=archive)
    rights = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    stacks.create_stack(StackName="chained", TemplateBody=STACK.read_text(), Capabilities=rights)
    patience = {"Delay": 1, "MaxAttempts": 60}
    stacks.get_waiter("stack_create_complete").wait(StackName="chained", WaiterConfig=patience)
    (stack,) = stacks.describe_stacks(StackName="chained")["Stacks"]
    return f"{engine.url}/_aws/execute-api/{stack['Outputs'][0]['OutputValue']}/beta/hello?name=Ada"


def milliseconds(url: str) -> float:
    """Time one request, which must succeed."""
    address = urlsplit(url)
    started = time.perf_counter()
    connection = HTTPConnection(address.hostname or "", address.port, timeout=30)
    connection.request("GET", f"{address.path}?{address.query}")
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200 or b"Hello, Ada!" not in body:
        raise RuntimeError(body.decode())
    return (time.perf_counter() - started) * 1000
