"""What has to be reached: time, names, secrets, Redis."""

import socket
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import click

from silvaengine.tables import CONFIG_DATA
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.operator import operate
from silvaengine_cli.secrets import STORES, find_uses

SKEW_SECONDS = 30
"""AWS takes no signature that is five minutes off, and `--since` reads this machine's clock."""
SECRET_PARAMETERS = ("KeyPepperSecret", "LedgerKeySecret", "RedisPasswordSecret", "RedisWorkerPasswordSecret")
URLS = ("ApiUrl", "WebsocketUrl")

type Resolve = Callable[[str | None, None], object]


def check_clock(deployment: Deployment, now: Callable[[], float] = time.time) -> Iterator[str]:
    """Yield how far this machine's clock is off, by what AWS's answers say."""
    response = deployment.client("sts").get_caller_identity()
    date = response["ResponseMetadata"]["HTTPHeaders"].get("date")
    skew = round(now() - parsedate_to_datetime(date).timestamp()) if date else 0
    if abs(skew) > SKEW_SECONDS:
        way = "fast" if skew > 0 else "slow"
        yield f"this machine's clock is {abs(skew)} s {way}: set it by NTP; from 300 s on AWS refuses calls"


def check_names(deployment: Deployment, resolve: Resolve = socket.getaddrinfo) -> Iterator[str]:
    """Yield the hosts of the deployment's URLs that have no address."""
    for output in filter(deployment.has_output, URLS):
        host = urlsplit(deployment.output(output)).hostname
        try:
            resolve(host, None)
        except OSError as error:
            yield f"host {host} of {output} has no address: {error.strerror}: see its record, or the resolver"


def check_secrets(deployment: Deployment) -> Iterator[str]:
    """Yield the secrets to which parameters or settings refer and that aren't there; no value is read."""
    for name in SECRET_PARAMETERS:
        secret = deployment.parameter(name)
        if secret and _find(deployment, f"secretsmanager:{secret}") is None:
            yield f"{name} names {secret!r}, which Secrets Manager doesn't have: create it, or deploy without"
    uses = find_uses(deployment.tables().scan(CONFIG_DATA), deployment.parameter("Stage"))
    for reference, settings in uses.items():
        if _find(deployment, reference) is None:
            names = ", ".join(settings)
            yield f"{reference} isn't there, to which {names} refers: `silvaengine secrets set`"


def _find(deployment: Deployment, reference: str) -> object:
    scheme, _, name = reference.partition(":")
    return STORES[scheme](deployment).find(name)


def check_redis(deployment: Deployment) -> Iterator[str]:
    """Yield that the gateway can't reach Redis, which it is asked for, since nobody else can."""
    if not deployment.has_output("RedisHost"):
        return
    host = deployment.output("RedisHost")
    try:
        reached = operate(deployment, "cache_stats")["redis_available"]
    except click.ClickException as error:
        raise click.ClickException(f"the gateway was asked for {host}: {error.message}") from None
    if not reached:
        yield (
            f"Redis at {host} isn't reached by the gateway, which serves without: see SubnetIds, "
            "SecurityGroupIds, RedisPort, RedisTls and the password's secret"
        )
