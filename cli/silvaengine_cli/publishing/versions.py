"""A package's Lambda by Lambda's own API: its code, and the versions that are its releases.

docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from threading import Barrier
from typing import Any

import click

from silvaengine_cli import AwsClient
from silvaengine_cli.publishing.patience import NotYetError, Patience

MAX_EVENT_SECONDS = 60  # as the worker's: the ledger sends again what is lost, after 90
PROBE_TENANT = "silvaengine"  # an isolated Lambda takes no call without a tenant

# What of a Lambda's configuration a version keeps, beside its code, memory and timeout.
KEPT = ("Layers", "Environment", "EphemeralStorage", "Runtime", "VpcConfig")

type Answer = Mapping[str, Any]
type Callables = Sequence[tuple[str, str, str, bool]]
"""Module, class, function, and whether it is typed."""


class Versions:
    """The code and the versions of one Lambda.

    Args:
        functions: Lambda's client.
        name: the Lambda's.
        patience: waits for states that pass.
    """

    def __init__(self, functions: AwsClient, name: str, patience: Patience) -> None:
        self._functions = functions
        self._name = name
        self._patience = patience

    def wait_until_updated(self) -> Answer:
        """Return the configuration of ``$LATEST`` once no update of it is under way."""

        def read() -> Answer:
            found = self._configuration()
            if found.get("State") == "Pending" or found.get("LastUpdateStatus") == "InProgress":
                raise NotYetError(f"an update of {self._name} is in progress")
            return found

        return self._patience.run("the last update", read)

    def publish(self, bucket: str, key: str, revision_id: str) -> Answer:
        """Update the code from an object and publish it; return the version's configuration.

        Raises:
            ClickException: somebody else has changed the Lambda since the revision was read.
        """
        update = partial(
            self._functions.update_function_code,
            FunctionName=self._name,
            S3Bucket=bucket,
            S3Key=key,
            Publish=True,
            RevisionId=revision_id,
        )
        try:
            return self._patience.run("the code's update", update)
        except self._functions.exceptions.PreconditionFailedException:
            raise click.ClickException(
                f"somebody else publishes {self._name} at this moment; nothing of yours was published: "
                "try again when they are done"
            ) from None

    def wake(self, number: int, digest: str, *, isolated: bool) -> Answer:
        """Return a version's configuration once it is Active.

        One that has rested for weeks is Inactive: its next Invoke is refused, and lets Lambda make it ready.

        Raises:
            ClickException: there is no such version, it failed, or it isn't Active in time.
        """

        def read() -> Answer:
            found = self._configuration(number)
            match found.get("State"):
                case "Active":
                    return found
                case "Failed":
                    raise click.ClickException(f"{self._name}:{number} failed: {found.get('StateReason')}")
                case "Inactive":
                    self._invoke(number, {"describe": [], "release": digest}, isolated=isolated)
            raise NotYetError(f"{self._name}:{number} is {found.get('State')}")

        try:
            return self._patience.run(f"waking {self._name}:{number}", read)
        except self._functions.exceptions.ResourceNotFoundException:
            raise click.ClickException(f"{self._name} has no version {number}: it was deleted") from None

    def limit_events(self, number: int) -> None:
        """Have an event of a version tried once and for a minute at the most: the ledger sends it again.

        The configuration of the unqualified Lambda doesn't hold for its versions:
        docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html.
        """
        self._patience.run(
            "the configuration of events",
            partial(
                self._functions.put_function_event_invoke_config,
                FunctionName=self._name,
                Qualifier=str(number),
                MaximumRetryAttempts=0,
                MaximumEventAgeInSeconds=MAX_EVENT_SECONDS,
            ),
        )

    def describe(self, number: int, callables: Callables, digest: str, *, isolated: bool) -> Answer:
        """Have a version import its functions, and try its rights until they hold; return its answer.

        A new role's rights take seconds until they hold everywhere:
        docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency.

        Raises:
            ClickException: a function can't be imported, or a right isn't there in time.
        """
        request = {"describe": list(map(list, callables)), "release": digest}

        def ask() -> Answer:
            answer = self._invoke(number, request, isolated=isolated)
            functions = answer["functions"].items()
            if failed := [f"{name}: {each['error']}" for name, each in functions if "error" in each]:
                raise _unfit(number, "\n".join(failed))
            if lacking := {name: code for name, code in answer["rights"].items() if code != "ok"}:
                raise NotYetError(f"its role lacks rights: {', '.join(map(': '.join, lacking.items()))}")
            return answer

        return self._patience.run(f"what {self._name}:{number} needs", ask)

    def warm(self, number: int, callables: Callables, digest: str, environments: int) -> int:
        """Invoke a version so often at once that as many environments import its functions and stay.

        At most half of the reserved concurrency, which all versions share: what serves keeps the rest.

        Returns:
            How many were ready; a call for which there was no room, or that failed, isn't made again.
        """
        from botocore.exceptions import ClientError  # lazy: it is slow to import

        found = self._functions.get_function(FunctionName=self._name)
        reserved = found.get("Concurrency", {}).get("ReservedConcurrentExecutions")
        count = environments if reserved is None else min(environments, max(reserved // 2, 1))
        request = {"describe": list(map(list, callables)), "release": digest}
        together = Barrier(count)

        def invoke(_: int) -> bool:
            together.wait()
            try:
                self._invoke(number, request, isolated=False)
            except (ClientError, NotYetError, click.ClickException):
                return False
            return True

        with ThreadPoolExecutor(count) as pool:
            return sum(pool.map(invoke, range(count)))

    def numbers(self) -> Iterator[tuple[int, str]]:
        """Return the versions that there are, with when each was published, as ISO 8601 text."""
        pages = self._functions.get_paginator("list_versions_by_function").paginate(FunctionName=self._name)
        for page in pages:
            for each in page["Versions"]:
                if each["Version"].isdigit():
                    yield int(each["Version"]), each["LastModified"]

    def delete(self, number: int) -> None:
        """Delete a version."""
        delete = partial(self._functions.delete_function, FunctionName=self._name, Qualifier=str(number))
        self._patience.run(f"deleting {self._name}:{number}", delete)

    def _configuration(self, number: int | None = None) -> Answer:
        qualifier = {} if number is None else {"Qualifier": str(number)}
        # GetFunction, since it has a limit of its own, far above that of the control plane.
        found: Answer = self._functions.get_function(FunctionName=self._name, **qualifier)
        return found["Configuration"]  # type: ignore[no-any-return]

    def _invoke(self, number: int, request: Answer, *, isolated: bool) -> Answer:
        tenant = {"TenantId": PROBE_TENANT} if isolated else {}
        response = self._functions.invoke(
            FunctionName=self._name, Qualifier=str(number), Payload=json.dumps(request), **tenant
        )
        answer: Answer = json.loads(response["Payload"].read())
        if "FunctionError" not in response:
            return answer
        message = str(answer.get("errorMessage"))
        if "AccessDenied" in message:
            raise NotYetError(message)
        raise _unfit(number, message)


def kept(configuration: Answer) -> dict[str, Any]:
    """Return what a release says of its version's configuration: ``platform`` is a digest of all the rest."""
    values = {name: configuration.get(name) for name in KEPT}
    values["Layers"] = [layer["Arn"] for layer in values["Layers"] or ()]
    return {
        "platform": sha256(json.dumps(values, sort_keys=True).encode()).hexdigest(),
        "memory": configuration["MemorySize"],
        "timeout": configuration["Timeout"],
    }


def callables_of(functions: str) -> Callables:
    """Return what a release's functions call, and whether it is typed; ``functions`` is its JSON text.

    Of several names of one function, one that is typed has it described with its schemas.
    """
    typed: dict[tuple[str, str, str], bool] = {}
    for config in (each["config"] for each in json.loads(functions).values()):
        names = config["module_name"], config["class_name"], config["function_name"]
        typed[names] = typed.get(names, False) or config.get("typed") is True
    return [(*names, is_typed) for names, is_typed in typed.items()]


def _unfit(number: int, reason: str) -> click.ClickException:
    return click.ClickException(f"release {number} can't serve, what served before serves on:\n{reason}")
