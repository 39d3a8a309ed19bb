"""The template after its transforms and for some parameters, as CloudFormation carries it out.

AWS's own code does the transforms (`samcli` the loops, `samtranslator` the rest); what is left of conditions
and intrinsic functions is resolved here, but for references from one resource to another.
"""

import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from math import inf
from pathlib import Path
from typing import Any

from silvaengine_cli.closest import closest
from silvaengine_cli.sam import import_sam

type Resources = dict[str, dict[str, Any]]
type Property = Any  # a value as a template has it: text, number, list, structure or reference

PLACE = re.compile(r"\$\{([A-Za-z0-9:_.]+)}")
_NO_VALUE = {"Ref": "AWS::NoValue"}


def load(path: Path) -> dict[str, Any]:
    """Return a template of the platform as `sam` reads it."""
    import_sam(path.parent)
    from samcli.yamlhelper import yaml_parse

    template: dict[str, Any] = yaml_parse(path.read_text())
    return template


def declared_in(path: Path, *sections: str) -> dict[str, Any]:
    """Return those sections of a template that need no functions of YAML, and read nothing else."""
    import yaml

    found = re.findall(rf"^(?:{'|'.join(sections)}):\n(?:(?: .*)?\n)+", path.read_text(), re.MULTILINE)
    declared: dict[str, Any] = yaml.safe_load("".join(found)) or {}
    return {section: declared.get(section, {}) for section in sections}


def parameters_of(template: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return the values of all parameters; raise ValueError for one that the template doesn't take.

    Nor does it take values that a rule of its refuses together:
    docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html.
    """
    declared = template["Parameters"]
    if unknown := sorted(given.keys() - declared.keys()):
        hint = closest(unknown[0], declared) if len(unknown) == 1 else ""
        raise ValueError(f"the template has no parameter {', '.join(unknown)}{hint}")
    values = {each: str(given.get(each, declared[each].get("Default", ""))) for each in declared}
    for each, value in values.items():
        _check_parameter(each, declared[each], value)
    resolver = _Resolver(template, values)
    for rule in template.get("Rules", {}).values():
        if "RuleCondition" not in rule or resolver.holds(rule["RuleCondition"]):
            for each in rule["Assertions"]:
                if not resolver.holds(each["Assert"]):
                    raise ValueError(each["AssertDescription"])
    return values


def _check_parameter(name: str, declared: Mapping[str, Any], value: str) -> None:
    allowed = [str(each) for each in declared.get("AllowedValues", (value,))]
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; allowed are {', '.join(allowed)}")
    if not re.fullmatch(declared.get("AllowedPattern", "(?s).*"), value):
        raise ValueError(f"{name} is {value!r}, which doesn't match {declared['AllowedPattern']}")
    least, most = declared.get("MinValue", -inf), declared.get("MaxValue", inf)
    if declared["Type"] == "Number" and not _is_number(value, least, most):
        raise ValueError(f"{name} is {value}; expected a number from {least} to {most}")


def _is_number(text: str, least: float, most: float) -> bool:
    try:
        return least <= float(text) <= most
    except ValueError:
        return False


def made(
    template: Mapping[str, Any], parameters: Mapping[str, str], pseudo: Mapping[str, str]
) -> tuple[Resources, Resources]:
    """Return the resources and the outputs that a template makes.

    Raises:
        ValueError: a transform refuses the template.
    """
    kinds = {name: declared["Type"] for name, declared in template["Parameters"].items()}
    lists = {name: value.split(",") for name, value in parameters.items() if "List" in kinds[name]}
    known = {**pseudo, **parameters, **lists}
    resolve = _Resolver(transformed(template, known), known)
    return resolve.section("Resources"), resolve.section("Outputs")


def transformed(template: Mapping[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return the template after its transforms; conditions and most intrinsic functions are still there.

    Raises:
        ValueError: a transform refuses the template.
    """
    from samcli.lib.cfn_language_extensions.exceptions import InvalidTemplateException
    from samcli.lib.cfn_language_extensions.sam_integration import expand_language_extensions
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.translator.transform import transform

    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    try:
        expanded = expand_language_extensions(
            deepcopy(dict(template)), values, enabled=True
        ).expanded_template
        expanded["Resources"] = _with_subs(expanded["Resources"], expanded["Resources"].keys())
        expanded["Outputs"] = _with_subs(expanded["Outputs"], expanded["Resources"].keys())
        for resource in expanded["Resources"].values():
            for place in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
                resource["Properties"][place] = "s3://artefacts/key"
        with _region(values["AWS::Region"]):
            result: dict[str, Any] = transform(expanded, values, _NoManagedPolicies())
    except (InvalidDocumentException, InvalidTemplateException) as error:
        raise ValueError(str(error)) from error
    return result


def _with_subs(value: Property, resources: Collection[str]) -> Property:
    """Return a value whose texts that name a resource are in a Fn::Sub again: samcli takes them out."""
    if isinstance(value, list):
        return [_with_subs(inner, resources) for inner in value]
    if isinstance(value, str):
        names = {place[1].partition(".")[0] for place in PLACE.finditer(value)}
        return {"Fn::Sub": value} if names & set(resources) else value
    if not isinstance(value, dict):
        return value
    return {
        name: inner if name == "Fn::Sub" else _with_subs(inner, resources) for name, inner in value.items()
    }


@contextmanager
def _region(name: str) -> Iterator[None]:
    """Set the region that samtranslator asks boto3 for; no account is asked for anything."""
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = before


class _NoManagedPolicies:
    """Stands for the list that SAM fetches from IAM; the template names none by its short name."""

    def load(self) -> dict[str, str]:
        return {}


class _Resolver:
    """Resolves what the parameters decide, and keeps what refers to a resource."""

    def __init__(self, template: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._template = template
        self._values = values

    def section(self, name: str) -> Resources:
        """Return the part of a section that its conditions let be made."""
        entries = self._template.get(name, {}).items()
        return {
            each: self.value({part: inner for part, inner in entry.items() if part != "Condition"})
            for each, entry in entries
            if "Condition" not in entry or self.holds({"Condition": entry["Condition"]})
        }

    def value(self, value: Property) -> Property:
        """Return a value with everything resolved that can be."""
        if isinstance(value, list):
            return [self.value(inner) for inner in value if self.value(inner) != _NO_VALUE]
        if not isinstance(value, dict):
            return value
        kind = next(iter(value), "")
        if len(value) == 1 and (kind == "Ref" or kind.startswith("Fn::")):
            return self._function(kind, value[kind])
        found = {name: self.value(inner) for name, inner in value.items()}
        return {name: inner for name, inner in found.items() if inner != _NO_VALUE}

    def _function(self, kind: str, inner: Property) -> Property:
        match kind:
            case "Ref":
                return self._values.get(inner, {"Ref": inner})
            case "Fn::GetAtt":
                return {"Fn::GetAtt": inner.split(".", 1) if isinstance(inner, str) else inner}
            case "Fn::If":
                name, yes, no = inner
                return self.value(yes if self.holds({"Condition": name}) else no)
            case "Fn::Sub":
                text, variables = (inner, {}) if isinstance(inner, str) else inner
                return self._filled(text, {name: self.value(each) for name, each in variables.items()})
            case "Fn::Join":
                parts = self.value(inner[1])
                plain = all(isinstance(part, str) for part in parts)
                return inner[0].join(parts) if plain else {"Fn::Join": [inner[0], parts]}
            case _:
                raise ValueError(f"{kind} stands in the transformed template, and preflight doesn't know it")

    def _filled(self, text: str, variables: Mapping[str, Property]) -> Property:
        known = {**self._values, **{name: each for name, each in variables.items() if isinstance(each, str)}}
        for name, each in variables.items():
            if isinstance(each, dict):
                known[name] = f"${{{each['Ref'] if 'Ref' in each else '.'.join(each['Fn::GetAtt'])}}}"
        filled = PLACE.sub(lambda place: known.get(place[1], place[0]), text)
        return {"Fn::Sub": filled} if PLACE.search(filled) else filled

    def holds(self, condition: Property) -> bool:
        """Return whether a condition holds."""
        ((kind, inner),) = condition.items()
        match kind:
            case "Condition":
                return self.holds(self._template["Conditions"][inner])
            case "Fn::Not":
                return not self.holds(inner[0])
            case "Fn::And":
                return all(self.holds(each) for each in inner)
            case "Fn::Or":
                return any(self.holds(each) for each in inner)
            case _:
                left, right = (self.value(each) for each in inner)
                return bool(left == right)
