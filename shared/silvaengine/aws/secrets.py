"""References to secrets in settings: ``ssm:/path`` and ``secretsmanager:name`` instead of a value.

Only the gateways may read secrets; their roles allow names below ``silvaengine/{stage}/``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from silvaengine.aws.errors import misconfigured
from silvaengine.aws.json_api import open_json_api

STAGE = "{stage}"

type SecretLookup = Callable[[str], str]


def resolve_references(settings: Mapping[str, object], lookups: Mapping[str, SecretLookup]) -> dict[str, Any]:
    """Return settings with secrets instead of the references to them, at any depth.

    ``lookups`` return a secret by its name; they stand by scheme (``ssm``, ``secretsmanager``).
    """
    return {name: _resolve(value, lookups) for name, value in settings.items()}


def open_lookups(region: str, stage: str = "") -> dict[str, SecretLookup]:
    """Return the look-ups in the account's Parameter Store and Secrets Manager.

    ``{stage}`` in a name is the deployment's, so that one registry.yaml is good for several.
    """

    def parameter(name: str) -> str:
        api = open_json_api("ssm", region, "AmazonSSM")
        name = name.replace(STAGE, stage)
        request = {"Name": name, "WithDecryption": True}
        return str(api.call("GetParameter", request, name, repeatable=True)["Parameter"]["Value"])

    def secret(name: str) -> str:
        api = open_json_api("secretsmanager", region, "secretsmanager")
        name = name.replace(STAGE, stage)
        response = api.call("GetSecretValue", {"SecretId": name}, name, repeatable=True)
        if "SecretString" not in response:
            raise misconfigured(f"secret {name} is not a string")
        return str(response["SecretString"])

    return {"ssm": parameter, "secretsmanager": secret}


def _resolve(value: object, lookups: Mapping[str, SecretLookup]) -> object:
    match value:
        case dict():
            return resolve_references(value, lookups)
        case list():
            return [_resolve(member, lookups) for member in value]
        case str():
            scheme, colon, name = value.partition(":")
            return lookups[scheme](name) if colon and scheme in lookups else value
        case _:
            return value
