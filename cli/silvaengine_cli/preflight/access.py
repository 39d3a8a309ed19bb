"""Who may read a source, send what failed and invoke a function, and whether it may before it is set up."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from silvaengine_cli.preflight.stack import Stack, references
from silvaengine_cli.preflight.template import Property

_POLL_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
_POLL_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")


def rights_of_event_sources(stack: Stack) -> Iterator[str]:
    """A function's role may read its source and send where its failures go, before either is set up."""
    for name, config in stack.of_type(
        "AWS::Lambda::EventSourceMapping", "AWS::Lambda::EventInvokeConfig"
    ).items():
        properties = config["Properties"]
        role = next(references(function_of(stack, config)["Role"]))
        source = stack.text(properties["EventSourceArn"]) if "EventSourceArn" in properties else ""
        needed = [(action, source) for action in _actions(source)]
        failed = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if failed:
            needed.append(("sqs:SendMessage", stack.text(failed)))
        before = _made_before(stack, name)
        granted = [
            (action, resource)
            for policy, document in policies_of(stack, role)
            if policy in before
            for action, resource in _grants(stack, document)
        ]
        for action, resource in needed:
            if not any(action == given and fnmatchcase(resource, pattern) for given, pattern in granted):
                yield f"{name}: nothing that is made before it lets {role} do {action} on {resource}"


def permissions_of_event_sources(stack: Stack) -> Iterator[str]:
    """What invokes a function has the function's permission; S3 asks for it when a bucket is made."""
    permissions = [
        (
            name,
            permission["Properties"]["Principal"],
            stack.function_arn(permission["Properties"]["FunctionName"]),
            stack.text(permission["Properties"].get("SourceArn", "")),
        )
        for name, permission in stack.of_type("AWS::Lambda::Permission").items()
    ]
    for name, principal, function, source in invocations(stack):
        given = [
            each
            for each, *rest, allowed in permissions
            if rest == [principal, function] and (allowed.startswith(source) or fnmatchcase(source, allowed))
        ]
        if not given:
            yield f"{name}: {principal} has no permission to invoke {function} for {source}"
        elif principal.startswith("s3") and not set(given) & _made_before(stack, name):
            yield f"{name}: it may be made before {given[0]}, and S3 refuses the notification then"


def invocations(stack: Stack) -> Iterator[tuple[str, str, str, str]]:
    """Yield who invokes functions: a resource, its service, the function, the beginning of its ARN."""
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        for target in rule["Properties"]["Targets"]:
            source = stack.text({"Fn::GetAtt": [name, "Arn"]})
            yield name, "events.amazonaws.com", stack.function_arn(target["Arn"]), source
    for name, subscription in stack.of_type("AWS::SNS::Subscription").items():
        properties = subscription["Properties"]
        yield (
            name,
            "sns.amazonaws.com",
            stack.function_arn(properties["Endpoint"]),
            stack.text(properties["TopicArn"]),
        )
    for name, bucket in stack.of_type("AWS::S3::Bucket").items():
        for each in bucket["Properties"].get("NotificationConfiguration", {}).get("LambdaConfigurations", ()):
            source = stack.text({"Fn::GetAtt": [name, "Arn"]})
            yield name, "s3.amazonaws.com", stack.function_arn(each["Function"]), source
    for name, api in stack.of_type("AWS::ApiGateway::RestApi").items():
        for methods in api["Properties"]["Body"]["paths"].values():
            for method, described in methods.items():
                function = _function_in(stack, described["x-amazon-apigateway-integration"]["uri"])
                source = f"{_api_arn(stack, name)}*/{method.upper()}/"
                yield f"{name} {method}", "apigateway.amazonaws.com", function, source
    for name, part in stack.of_type(
        "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Authorizer"
    ).items():
        properties = part["Properties"]
        uri = properties.get("IntegrationUri") or properties["AuthorizerUri"]
        source = _api_arn(stack, *references(properties["ApiId"]))
        yield name, "apigateway.amazonaws.com", _function_in(stack, uri), source


def _function_in(stack: Stack, uri: Property) -> str:
    return stack.text(uri).partition("/functions/")[2].removesuffix("/invocations")


def _api_arn(stack: Stack, api: str) -> str:
    return stack.text({"Fn::Sub": f"arn:aws:execute-api:{stack.region}:{stack.account}:${{{api}}}/"})


def function_of(stack: Stack, resource: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of the function that a resource's FunctionName names, be it by an alias."""
    arn = stack.function_arn(resource["Properties"]["FunctionName"])
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        own = stack.function_arn({"Ref": name})
        if arn == own or arn.startswith(f"{own}:"):
            return dict(function["Properties"])
    raise ValueError(f"the template has no function {arn}")


def policies_of(stack: Stack, role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a role's policies with the resources that they come with: the role itself, or a policy."""
    for policy in stack.resources[role]["Properties"].get("Policies", ()):
        yield role, policy["PolicyDocument"]
    for name, policy in stack.of_type("AWS::IAM::Policy").items():
        if role in references(policy["Properties"]["Roles"]):
            yield name, policy["Properties"]["PolicyDocument"]


def _actions(source: str) -> tuple[str, ...]:
    if ":sqs:" in source:
        return _POLL_QUEUE
    return _POLL_STREAM if ":dynamodb:" in source else ()


def _grants(stack: Stack, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for statement in document["Statement"]:
        for action in _as_list(statement["Action"]):
            for resource in _as_list(statement["Resource"]):
                yield action, stack.text(resource)


def _as_list(value: Property) -> list[Property]:
    return value if isinstance(value, list) else [value]


def _made_before(stack: Stack, name: str) -> set[str]:
    """Return the resources that CloudFormation makes before one: all that it refers to or depends on."""
    found: set[str] = set()
    rest = [name]
    while rest:
        resource = stack.resources.get(rest.pop(), {})
        named = {*references(resource.get("Properties", {})), *_as_list(resource.get("DependsOn", []))}
        rest.extend(named - found)
        found |= named
    return found
