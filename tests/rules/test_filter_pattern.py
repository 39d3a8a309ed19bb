"""The evaluator of filter patterns agrees with what AWS's documentation says of its examples."""

import json

import pytest

from .filter_pattern import matches

# docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html, and before it
# github.com/awsdocs/amazon-cloudwatch-logs-user-guide/blob/main/doc_source/FilterAndPatternSyntax.md
TRAIL = {
    "eventType": "UpdateTrail",
    "sourceIPAddress": "111.111.111.111",
    "arrayKey": ["value", "another value"],
    "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
    "SomeObject": None,
    "ThisFlag": True,
}
USERS = {
    "user": {"id": 1, "email": "John.Stiles@example.com"},
    "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
    "actions": ["GET", "PUT", "DELETE"],
    "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
}
NUMBERS = {
    "latency": 1001,
    "numbers": [1],
    "processes": [{}, {}, {}, {}, {"averageRuntime": 55.5}],
    "errorCode": 400,
}
STILES, OTHER = '$.user.email = "John.Stiles@example.com"', "$.coordinates[0][1] = nonmatch"


@pytest.mark.parametrize(
    ("pattern", "event", "is_matched"),
    [
        ('{ $.eventType = "UpdateTrail" }', TRAIL, True),
        ("{ $.sourceIPAddress != 123.123.* }", TRAIL, True),
        ('{ $.arrayKey[0] = "value" }', TRAIL, True),
        ('{ $.eventType[0] = "value" }', TRAIL, False),
        ("{ $.objectList[1].id = 2 }", TRAIL, True),
        ("{ $.SomeObject IS NULL }", TRAIL, True),
        ("{ $.SomeOtherObject IS NULL }", TRAIL, False),
        ("{ $.SomeOtherObject NOT EXISTS }", TRAIL, True),
        ("{ $.SomeObject NOT EXISTS }", TRAIL, False),
        ("{ $.ThisFlag IS TRUE }", TRAIL, True),
        ("{ $.ThisFlag IS FALSE }", TRAIL, False),
        ("{ $.eventType = *Trail }", TRAIL, True),
        ("{ $.eventType = Update* }", TRAIL, True),
        ("{ $.eventType = Trail* }", TRAIL, False),
        ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', USERS, True),
        ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }', USERS, False),
        (f"{{ {STILES} || {OTHER} && $.actions[2] = nomatch }}", USERS, True),
        (f"{{ ({STILES} || {OTHER}) && $.actions[2] = nomatch }}", USERS, False),
        ("{ $.users = 1 }", {"users": [1, 2, 3]}, False),
        ("{ $.users != 1 }", {"users": [1, 2, 3]}, False),
        ("{ $.foo = bar }", {"foo": "bar"}, True),
        ("{ $.foo = baz }", {"foo": "bar"}, False),
        ("{ $.foo = bar || $.foo = baz }", {"foo": "baz"}, True),
        ("{ $.latency >= 500 }", NUMBERS, True),
        ("{ $.numbers[0] < 10e3 }", NUMBERS, True),
        ("{ $.numbers[0] < 10e-3 }", NUMBERS, False),
        ("{ $.processes[4].averageRuntime <= 55.5 }", NUMBERS, True),
        ("{ $.errorCode = 400 }", NUMBERS, True),
        ("{ $.errorCode != 500 }", NUMBERS, True),
        ("{ $.latency > +1000 }", NUMBERS, True),
        ("{ $.latency = * }", {"latency": 50, "requestType": "GET"}, True),
        ("{ $.latency = * }", {"requestType": "GET"}, False),
    ],
)
def test_an_example_of_the_documentation(pattern: str, event: object, is_matched: bool) -> None:
    """It matches or doesn't, as it is said there."""
    assert matches(pattern, json.dumps(event)) is is_matched


@pytest.mark.parametrize(
    "pattern", ["ERROR", "{ $.a }", "{ a = 1 }", "{ ($.a = 1 }", "{ $.a > b }", "{ $.a = 1 $.b }"]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    """So that a slip in the template isn't taken for a pattern that matches nothing."""
    with pytest.raises((ValueError, IndexError)):
        matches(pattern, '{"a": 1}')


def test_what_is_no_json_matches_nothing() -> None:
    """A line of Lambda's own, such as START, or what a function prints."""
    assert not matches("{ $.a NOT EXISTS }", "START RequestId: 1")
    assert not matches("{ $.a NOT EXISTS }", "[1]")
