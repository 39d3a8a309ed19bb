"""Settings that are too large for a payload reach the worker by every way that calls functions."""

import json
from typing import override

import pytest

from silvaengine.ledger.dispatch import Dispatcher
from silvaengine.protocol.messages import SYNC_LIMIT

from ...fakes.lambdas import Lambdas
from .ways import WAYS, Deployment

CALLING = [name for name in WAYS if name not in {"preflight", "refused_request", "socket_authorizer",
                                                  "socket_hook", "get_setting", "get_function"}]  # fmt: skip


class LargeDeployment(Deployment):
    """One whose functions and user pools have more settings than any payload takes."""

    def __init__(self) -> None:
        self.lambdas = Lambdas()
        super().__init__(None)
        self.sent = self.lambdas.sent
        self._invoker = self.lambdas.invoker(clock=lambda: self.now)
        for setting_id in ("shop", "pool"):
            self.set(setting_id, "prompt", "x" * SYNC_LIMIT)

    @override
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(self, self.lambdas.payloads)

    @override
    def invoke(self, arn: str, payload: str, *, event: bool = False, **_: object) -> bytes:
        return self._invoker.invoke(arn, payload, event=event)


@pytest.mark.parametrize("way", CALLING)
def test_large_settings_arrive_whole(way: str) -> None:
    """Of requests, messages, records, dialogs, users' events, hooks and retries."""
    deployment = LargeDeployment()
    look = WAYS[way](deployment)
    assert look() == "red"
    assert all(len(json.loads(sent["setting"])["prompt"]) == SYNC_LIMIT for sent in deployment.sent)
    assert len(deployment.lambdas.bucket.objects) == len(deployment.sent)
