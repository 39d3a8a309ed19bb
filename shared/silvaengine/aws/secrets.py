"""Settings may name a secret instead of holding it: ``ssm:/path`` or ``secretsmanager:name``.

Only the gateways may read secrets; the roles allow them names below ``silvaengine/{stage}/``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from silvaengine.aws.json_api import open_json_api
from silvaengine.errors import ConfigurationError

type Lookup = Callable[[str], str]


def resolve_references(value: Any, lookups: Mapping[str, Lookup]) -> Any:  # noqa: ANN401 - a setting is any JSON value
    """Put secrets in the place of the references to them, at any depth.

    Args:
        value: a settings value.
        lookups: by scheme (``ssm``, ``secretsmanager``), what turns a name into its secret.
    """
    match value:
        case dict():
            return {name: resolve_references(member, lookups) for name, member in value.items()}
        case list():
            return [resolve_references(member, lookups) for member in value]
        case str():
            scheme, colon, name = value.partition(":")
            return lookups[scheme](name) if colon and scheme in lookups else value
        case _:
            return value


def open_lookups(region: str) -> dict[str, Lookup]:
    """Return the look-ups in the account's Parameter Store and Secrets Manager."""

    def parameter(name: str) -> str:
        api = open_json_api("ssm", region, "AmazonSSM")
        asked = {"Name": name, "WithDecryption": True}
        return str(api.call("GetParameter", asked, name, repeatable=True)["Parameter"]["Value"])

    def secret(name: str) -> str:
        api = open_json_api("secretsmanager", region, "secretsmanager")
        answer = api.call("GetSecretValue", {"SecretId": name}, name, repeatable=True)
        if "SecretString" not in answer:
            raise ConfigurationError("The service is misconfigured", detail=f"secret {name} is no text")
        return str(answer["SecretString"])

    return {"ssm": parameter, "secretsmanager": secret}
