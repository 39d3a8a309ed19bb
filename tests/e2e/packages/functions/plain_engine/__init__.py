# mypy: ignore-errors
# ruff: noqa
"""Plain JSON functions."""

from silvaengine_utility import Utility


def deploy():
    return [
        {
            "service": "Plain",
            "class": "PlainEngine",
            "functions": {
                "plain_echo": {
                    "is_static": False,
                    "label": "Echo",
                    "mutation": [],
                    "query": [{"action": "echo", "label": "Echo"}],
                    "type": "RequestResponse",
                    "support_methods": ["GET", "POST"],
                    "is_auth_required": False,
                    "is_graphql": False,
                    "settings": "plain_engine",
                    "disabled_in_resources": True,
                }
            },
        }
    ]


class PlainEngine:
    def __init__(self, logger, **setting):
        self.logger = logger
        self.setting = setting

    def plain_echo(self, **params):
        context = params.pop("context", {})
        return Utility.json_dumps(
            {"params": params, "region": self.setting["region_name"], "channel": context.get("channel")}
        )
