"""Clients that go on asking, and remember every answer."""

import http.client
from collections import Counter
from threading import Event, Thread
from types import TracebackType
from typing import Self

from ..e2e.http_client import Api

CLIENTS = 4
_PAUSE = 0.25  # seconds
_LIMIT = 1500  # requests of a client: what a run costs has a limit


class Traffic:
    """Calls and jobs, one after the other from each of four clients, as long as a `with` block lasts."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ended = Event()
        self._threads = [Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]
        self.statuses = Counter[int]()
        self.jobs: dict[str, str] = {}
        self.wrong: list[str] = []

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let each client get its last answer."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, client: int) -> None:
        for number in range(1, _LIMIT + 1):
            if self._ended.wait(_PAUSE):
                return
            word = f"{client}.{number}"
            try:
                self._call(word) if number % 5 else self._begin_job(word)
            except (OSError, http.client.HTTPException) as error:
                self.statuses[0] += 1
                self.wrong.append(f"{word}: {error!r}")

    def _call(self, word: str) -> None:
        response = self._api.get(f"/core/prove/echo?word={word}")
        self.statuses[response.status] += 1
        if response.status != 200 or response.json()["word"] != word:
            self.wrong.append(f"{word}: {response.status} {response.text[:200]}")

    def _begin_job(self, word: str) -> None:
        response = self._api.post("/core/prove/remember_later", {"text": word})
        self.statuses[response.status] += 1
        if response.status == 202:
            self.jobs[response.json()["job_id"]] = word
        else:
            self.wrong.append(f"{word}: {response.status} {response.text[:200]}")
