# mypy: ignore-errors
# ruff: noqa
"""Answers YAML or JSON, as the path says."""

import yaml
from silvaengine_utility import Utility


class ActionEngine:
    def __init__(self, logger, **setting):
        self.setting = setting

    def dispatch(self, **params):
        action = Utility.import_dynamically(
            "action_engine",
            "action_" + params.get("path", "").strip("/"),
            "ActionEngine",
            {"logger": None, **self.setting},
        )
        return action(**params)

    def action_spec(self, **params):
        return yaml.safe_dump({"openapi": "3.0.0", "servers": [{"url": params["endpoint_id"]}]})

    def action_status(self, **params):
        return Utility.json_dumps({"status": "ok"})
