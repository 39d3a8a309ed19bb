from silvaengine.aws.secrets import resolve_references


def test_references_at_any_depth_become_secrets() -> None:
    """Text that only looks like a reference stays."""
    lookups = {"ssm": lambda name: f"<{name}>", "secretsmanager": lambda name: f"[{name}]"}
    value = {"a": "ssm:/x/y", "b": [{"c": "secretsmanager:db"}], "d": "https://x", "e": 1, "f": "ssm"}
    assert resolve_references(value, lookups) == {
        "a": "</x/y>",
        "b": [{"c": "[db]"}],
        "d": "https://x",
        "e": 1,
        "f": "ssm",
    }
