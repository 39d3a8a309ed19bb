"""What AWS checks when it makes a stack, as far as a stack on paper shows it."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from types import MappingProxyType

from silvaengine_cli.preflight.access import (
    function_of,
    invocations,
    permissions_of_event_sources,
    policies_of,
    rights_of_event_sources,
)
from silvaengine_cli.preflight.stack import Stack, references
from silvaengine_cli.template_lint import lint

type Rule = Callable[[Stack], Iterator[str]]

ROLE_POLICIES = 10_240  # characters
_POLICIES = MappingProxyType(
    {"AWS::IAM::ManagedPolicy": 6_144, "AWS::S3::BucketPolicy": 20_480, "AWS::SQS::QueuePolicy": 20_480}
)
ENVIRONMENT = 4_096  # bytes
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/"


def schemas(stack: Stack) -> Iterator[str]:
    """References to nothing, circles of references, and values that a resource's schema refuses: cfn-lint."""
    for match in lint(stack.transformed):
        yield f"{match.rule.id} {'/'.join(map(str, match.path or ()))}: {match.message}"


def policy_sizes(stack: Stack) -> Iterator[str]:
    """A role's inline policies have 10,240 characters in all, a managed one 6,144, a queue's 20,480."""
    for role in stack.of_type("AWS::IAM::Role"):
        if (size := role_policies_size(stack, role)) > ROLE_POLICIES:
            yield f"{role}: its inline policies have {size} characters of {ROLE_POLICIES:,}"
    for kind, most in _POLICIES.items():
        for name, policy in stack.of_type(kind).items():
            if (size := len(stack.document(policy["Properties"]["PolicyDocument"]))) > most:
                yield f"{name}: its policy has {size:,} characters of {most:,}"
    permissions: dict[str, int] = defaultdict(int)
    for permission in stack.of_type("AWS::Lambda::Permission").values():
        properties = permission["Properties"]
        # Lambda writes a statement with an id, effect, condition and names around what it is given.
        permissions[stack.function_arn(properties["FunctionName"])] += 300 + len(stack.document(properties))
    for function, size in permissions.items():
        if size > 20_480:
            yield f"{function}: its resource policy has about {size} characters of 20,480"


def role_policies_size(stack: Stack, role: str) -> int:
    """Return the characters of a role's inline policies."""
    return sum(len(stack.document(document)) for _, document in policies_of(stack, role))


def environment_sizes(stack: Stack) -> Iterator[str]:
    """All environment variables of a function have 4 KB together, references in full."""
    for name in stack.of_type("AWS::Lambda::Function"):
        if (size := environment_size(stack, name)) > ENVIRONMENT:
            yield f"{name}: its environment has {size} bytes of {ENVIRONMENT:,}"


def environment_size(stack: Stack, function: str) -> int:
    """Return the bytes of a function's environment variables, as Lambda counts them."""
    variables = stack.resources[function]["Properties"].get("Environment", {}).get("Variables", {})
    return len(stack.document(variables).encode())


def stage_names(stack: Stack) -> Iterator[str]:
    """A stage's name has letters, digits, hyphens and underscores, and 128 of them at most."""
    for name, stage in stack.of_type("AWS::ApiGateway::Stage", "AWS::ApiGatewayV2::Stage").items():
        text = stack.text(stage["Properties"]["StageName"])
        if not (text.replace("_", "").replace("-", "").isalnum() and text.isascii() and len(text) <= 128):
            yield f"{name}: {text!r} is no name of a stage"


def visibility(stack: Stack) -> Iterator[str]:
    """A queue is served by no function that may run longer than a message of it stays hidden."""
    queues = stack.of_type("AWS::SQS::Queue")  # other sources are streams of tables
    for name, mapping in stack.of_type("AWS::Lambda::EventSourceMapping").items():
        timeout = int(function_of(stack, mapping)["Timeout"])
        for queue in queues.keys() & references(mapping["Properties"]["EventSourceArn"]):
            hidden = int(queues[queue]["Properties"].get("VisibilityTimeout", 30))
            if hidden < timeout:
                yield f"{name}: {queue} hides a message for {hidden} s, its function runs for {timeout} s"


def dead_letter_queues(stack: Stack) -> Iterator[str]:
    """The dead of a FIFO queue go to a FIFO queue, those of another to another."""
    for name, queue in stack.of_type("AWS::SQS::Queue").items():
        for target in references(queue["Properties"].get("RedrivePolicy", {}).get("deadLetterTargetArn", [])):
            kinds = {bool(stack.resources[each]["Properties"].get("FifoQueue")) for each in (name, target)}
            if len(kinds) > 1:
                yield f"{name}: it or its dead-letter queue {target} is a FIFO queue, and the other isn't"


def tenant_isolation(stack: Stack) -> Iterator[str]:
    """A function in tenant isolation mode is served by no event source, for these know no tenant."""
    isolated = {
        stack.function_arn({"Ref": name}): name
        for name, function in stack.of_type("AWS::Lambda::Function").items()
        if "TenancyConfig" in function["Properties"]
    }
    mapped = (
        (name, stack.function_arn(mapping["Properties"]["FunctionName"]))
        for name, mapping in stack.of_type("AWS::Lambda::EventSourceMapping").items()
    )
    for name, function in (*mapped, *((name, function) for name, _, function, _ in invocations(stack))):
        if function in isolated:
            yield f"{name}: it invokes {isolated[function]}, whose calls must name a tenant"


def networks(stack: Stack) -> Iterator[str]:
    """A function in a VPC names both subnets and security groups."""
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        network = function["Properties"].get("VpcConfig")
        for part in ("SubnetIds", "SecurityGroupIds"):
            if network and not any(network[part]):
                yield f"{name}: it is in a VPC, and {part} is empty"


# The rules, and where AWS says so.
RULES: MappingProxyType[Rule, str] = MappingProxyType(
    {
        schemas: "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html",
        policy_sizes: "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html",
        environment_sizes: f"{_LAMBDA}configuration-envvars.html",
        stage_names: "https://docs.aws.amazon.com/apigateway/latest/api/API_CreateStage.html",
        visibility: f"{_LAMBDA}services-sqs-configure.html",
        dead_letter_queues: "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html",
        tenant_isolation: f"{_LAMBDA}tenant-isolation.html",
        networks: f"{_LAMBDA}configuration-vpc.html",
        rights_of_event_sources: f"{_LAMBDA}lambda-intro-execution-role.html",
        permissions_of_event_sources: f"{_LAMBDA}access-control-resource-based.html",
    }
)
