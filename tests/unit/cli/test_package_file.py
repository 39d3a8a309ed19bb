"""package.yaml: what it says, and what is wrong with it, line by line."""

import json
import re
from pathlib import Path

import pytest

from silvaengine_cli.publishing.model import PackageSpec, ResourceSpec
from silvaengine_cli.publishing.package import Package, functions_text
from silvaengine_cli.publishing.resource_types import RESOURCE_TYPES
from silvaengine_cli.registry.file import RegistryFileError

DOCS = Path(__file__).parents[3] / "docs/packages.md"
FULL = """\
package: shop
memory: 1024
timeout: 60
isolation: tenant
environment:
  default: {ORDERS_TABLE: !Ref Orders, LIMIT: 3, TRACE: false, GREETING: Hello}
  prod: {GREETING: !Sub "Hi from ${AWS::Region}"}
functions:
  hello: {call: "shop.greetings:Greetings.say", area: core}
  count:
    module: shop
    area: core
    type: Event
    events:
      - {endpoint: acme, queue: Inbox}
      - {endpoint: acme, schedule: rate(1 hour)}
resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties: {KeySchema: [{AttributeName: id, KeyType: HASH}]}
  Inbox: {Type: AWS::SQS::Queue}
permissions:
  - Effect: Allow
    Action: [dynamodb:GetItem]
    Resource: [!GetAtt Orders.Arn, !Sub "${Orders.Arn}/index/*"]
"""
SOURCES = "class Greetings:\n    def say(self): ...\n"


def package(folder: Path, text: str) -> Package:
    """Write a package with the module that FULL names, and read it."""
    (folder / "shop").mkdir(exist_ok=True)
    (folder / "shop/__init__.py").write_text("def count(): ...\n")
    (folder / "shop/greetings.py").write_text(SOURCES)
    (folder / "package.yaml").write_text(text)
    return Package.read(folder)


def complaints(folder: Path, text: str) -> list[str]:
    """Return what is wrong with a text, without the folder's name."""
    with pytest.raises(RegistryFileError) as caught:
        package(folder, text)
    return [line.removeprefix(f"{folder}/") for line in caught.value.message.splitlines()]


def test_a_whole_package_is_read(tmp_path: Path) -> None:
    """Every section is read, and what is left out has its default."""
    read = package(tmp_path, FULL)
    spec = read.spec
    assert (read.name, spec.memory, spec.timeout, spec.ephemeral_storage) == ("shop", 1024, 60, 512)
    assert (spec.concurrency, read.is_isolated, read.warnings) == (None, True, ())
    assert [event.source for event in spec.functions["count"].events] == [
        ("queue", "Inbox"),
        ("schedule", "rate(1 hour)"),
    ]
    assert spec.resources["Inbox"].Type == "AWS::SQS::Queue"


def test_short_functions_are_cloudformations_long_ones(tmp_path: Path) -> None:
    """In environment, resources and permissions !Ref, !GetAtt and !Sub mean what they mean in a template."""
    read = package(tmp_path, FULL)
    (statement,) = read.spec.permissions
    assert statement.Resource == [{"Fn::GetAtt": ["Orders", "Arn"]}, {"Fn::Sub": "${Orders.Arn}/index/*"}]
    default = {"ORDERS_TABLE": {"Ref": "Orders"}, "LIMIT": "3", "TRACE": "false"}
    assert read.environment("beta") == default | {"GREETING": "Hello"}
    assert read.environment("prod") == default | {"GREETING": {"Fn::Sub": "Hi from ${AWS::Region}"}}


def test_a_release_says_its_functions_in_one_form(tmp_path: Path) -> None:
    """The text is canonical: neither the order in the file nor its style is in the digest."""
    text = functions_text(package(tmp_path, FULL))
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    functions = json.loads(text)
    assert functions["hello"]["area"] == "core"
    config = functions["hello"]["config"]
    called = (config["module_name"], config["class_name"], config["function_name"])
    assert called == ("shop.greetings", "Greetings", "say")
    assert functions["count"]["config"]["funct_type"] == "Event"
    swapped = FULL.replace("area: core}", "area: core, methods: [POST, GET]}")
    assert functions_text(package(tmp_path, swapped)) == text


@pytest.mark.parametrize(
    ("text", "replacement", "complaint"),
    [
        ("package: shop", "package: Shop", "package.yaml:1: package: 'Shop' must be 1 to 12 of a-z and 0-9"),
        ("memory: 1024", "memory: 64", "package.yaml:2: memory: "),
        ("timeout: 60", "timeout: 900", "package.yaml:3: timeout: "),
        ("timeout: 60", "timout: 60", "package.yaml:3: timout: unknown field (did you mean timeout?)"),
        ("isolation: tenant", "isolation: yes", "package.yaml:4: isolation: must be one of"),
        ("LIMIT: 3", "LIMIT: [3]", "package.yaml:6: environment.default.LIMIT: must be text, a number"),
        ("!Ref Orders", "!Rf Orders", "!Rf is no function of CloudFormation"),
        (":Greetings.say", ":Greetings.sya", "(did you mean say?)"),
        ("call: ", "lambda: 'arn:aws:lambda:a:111122223333:function:x', call: ", "hello.lambda: is the"),
        ("hello:", "hello@acme:", "functions.hello@acme: 'hello@acme' must be a Python name"),
        ("area: core}", "area: !Ref Core}", "package.yaml:9: functions.hello.area: tags (!name)"),
        ("queue: Inbox", "queu: Inbox", "(did you mean queue?)"),
        ("rate(1 hour)", "every hour", "events[1].schedule: 'every hour' must be rate(1 hour)"),
        ("  Orders:\n", "  PackageLogs:\n", "resources.PackageLogs: "),
        ("    Resource: [", "    NotResource: [", "permissions[0].NotResource: unknown field"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, text: str, replacement: str, complaint: str
) -> None:
    """A mistake names line, field and what was expected."""
    assert text in FULL
    found = complaints(tmp_path, FULL.replace(text, replacement))
    assert any(complaint in line for line in found), found


def test_a_folder_without_package_yaml_is_said(tmp_path: Path) -> None:
    """The file's path is in the message."""
    with pytest.raises(Exception, match=r"package\.yaml: No such file"):
        Package.read(tmp_path)


def test_every_field_is_in_the_reference() -> None:
    """docs/packages.md has a row for each field of package.yaml and names each type, and no others."""
    text = DOCS.read_text()
    table = text[text.index("| field |") : text.index("**environment.**")]
    rows = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert rows == PackageSpec.model_fields.keys()
    assert set(re.findall(r"`(AWS::[\w:]+)`", text)) == RESOURCE_TYPES.keys()
    assert all(f"`{name}`" in text for name in ResourceSpec.model_fields)


def test_functions_are_typed_unless_they_say_otherwise(tmp_path: Path) -> None:
    """Or the package does."""
    function = "{call: 'shop:count', area: core"
    functions = f"functions:\n  a: {function}}}\n  b: {function}, typed: %s}}\n"
    for line, own, typed in (("", "false", [True, False]), ("typed: false\n", "true", [False, True])):
        text = functions_text(package(tmp_path, f"package: shop\n{line}{functions % own}"))
        configs = [each["config"] for each in json.loads(text).values()]
        assert [config["typed"] for config in configs] == typed
        assert [config["keep_empty"] for config in configs] == [not line] * 2
