"""Checks of a deployment: each yields, in a sentence, what is wrong with a part of it and what to do."""

from collections.abc import Callable, Iterator, Mapping

import click

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.doctor.functions import check_functions
from silvaengine_cli.doctor.reach import check_clock, check_names, check_redis, check_secrets
from silvaengine_cli.doctor.registry import check_keys, check_packages
from silvaengine_cli.doctor.resources import check_queues, check_rules, check_stack, check_tables
from silvaengine_cli.preflight.quotas import find_full_quotas

type Check = Callable[[Deployment], Iterator[str]]

CHECKS: Mapping[str, Check] = {
    "clock": check_clock,
    "names": check_names,
    "stack": check_stack,
    "tables": check_tables,
    "keys": check_keys,
    "secrets": check_secrets,
    "functions": check_functions,
    "packages": check_packages,
    "queues": check_queues,
    "rules": check_rules,
    "Redis": check_redis,
    "quotas": lambda deployment: find_full_quotas(deployment.client),
}


def examine(deployment: Deployment) -> list[str]:
    """Return what is wrong with a deployment; a check that can't be carried out hinders no other."""
    from botocore.exceptions import BotoCoreError, ClientError  # lazy: slow, and `--help` reads this module

    found = list[str]()
    for name, check in CHECKS.items():
        try:
            found += check(deployment)
        except (BotoCoreError, ClientError) as error:
            found.append(f"{name}: not checked: {error}: whoever examines a deployment needs this right")
        except click.ClickException as error:
            found.append(f"{name}: not checked: {error.message}")
    return found
