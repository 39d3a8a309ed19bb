"""What a value of CloudFormation comes to in a package's stack, as far as is known before it is made."""

import re
from typing import Any

from silvaengine_cli.publishing.package import Package
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.resource_types import RESOURCE_TYPES

_PLACE = re.compile(r"\$\{([A-Za-z0-9:.]+)}")


class References:
    """The names and ARNs of a package's resources; CloudFormation puts some characters behind the names."""

    def __init__(self, package: Package, platform: Platform) -> None:
        self._package = package
        self._platform = platform
        self._pseudo = {
            "AWS::AccountId": platform.account,
            "AWS::Partition": platform.partition,
            "AWS::Region": platform.region,
            "AWS::StackName": platform.function_name(package.name),
            "AWS::URLSuffix": "amazonaws.com",
        }

    def text(self, value: Any) -> str | None:  # noqa: ANN401 - a template's value
        """Return a value as text, None where it is none or hangs on what isn't known."""
        match value:
            case str():
                return value
            case {"Ref": str(name)}:
                return self._pseudo.get(name) or self._name(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._arn(name) if attribute.endswith("Arn") else self._name(name)
            case {"Fn::Sub": str(text)}:
                return self._filled(text, {})
            case {"Fn::Sub": [str(text), dict(variables)]}:
                return self._filled(text, variables)
            case {"Fn::Join": [str(separator), list(parts)]}:
                texts = [self.text(part) for part in parts]
                return None if None in texts else separator.join(map(str, texts))
            case _:
                return None

    def _filled(self, text: str, variables: dict[str, Any]) -> str | None:
        found = {name: self._place(name, variables) for name in _PLACE.findall(text)}
        if None in found.values():
            return None
        return _PLACE.sub(lambda place: str(found[place[1]]), text)

    def _place(self, name: str, variables: dict[str, Any]) -> str | None:
        if name in variables:
            return self.text(variables[name])
        logical_id, dot, attribute = name.partition(".")
        return self.text({"Fn::GetAtt": [logical_id, attribute]} if dot else {"Ref": name})

    def _name(self, logical_id: str) -> str | None:
        resource = self._package.spec.resources.get(logical_id)
        if resource is None or resource.Type not in RESOURCE_TYPES:
            return None
        given = self.text(resource.Properties.get(RESOURCE_TYPES[resource.Type].name))
        return given or f"{self._platform.function_name(self._package.name)}-{logical_id}-0123456789ABC"

    def _arn(self, logical_id: str) -> str | None:
        name = self._name(logical_id)
        if name is None:
            return None
        kind = RESOURCE_TYPES[self._package.spec.resources[logical_id].Type]
        if kind.service == "s3":
            return f"arn:{self._platform.partition}:s3:::{name.lower()}"
        return self._platform.arn(kind.service, kind.arn.format(name))
