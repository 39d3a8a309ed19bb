"""Hostile input, row by row: T12, T15, T16, T17, T21, T24; requests at random are in test_surface."""

import gzip
import json
import pickle
import tracemalloc
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from silvaengine.cache import codec
from silvaengine.protocol.strict_json import MAX_VALUES

from .platform import Platform, json_of, rest_event

KEY = {"x-api-key": "acme-key"}
SIX_MB = 6_291_456


@pytest.fixture(scope="module")
def platform() -> Platform:
    """One tenant whose function answers what came."""
    config = {"module_name": "sample_functions.plain", "methods": ["GET", "POST"]}
    whole = Platform({"echo": config, "wants_body": config})
    whole.add_tenant("acme", "acme-key", {})
    return whole


def post(platform: Platform, body: str | bytes, **headers: str) -> dict[str, Any]:
    """Send a body."""
    sent = {**KEY, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return platform.call(rest_event("POST", "/core/acme/echo", headers=sent, body=body))


class Planted:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("/planted"),)


def test_t12_no_value_of_a_cache_is_code() -> None:
    """A planted pickle, a flipped bit and a cut-off value are no values, and nothing of them runs."""
    good = codec.encode({"a": [1, "b"]})
    flipped = [bytes([*good[:at], good[at] ^ 0x80, *good[at + 1 :]]) for at in range(len(good))]
    for data in (pickle.dumps(Planted()), *flipped, *(good[:end] for end in range(len(good)))):
        try:
            codec.decode(data)
        except codec.NotDecodableError:
            continue
    assert not Path("/planted").exists()
    assert codec.decode(good) == {"a": [1, "b"]}


def test_t12_no_code_in_what_ships_unpickles() -> None:
    """Neither pickle nor marshal nor eval nor YAML's loader of objects is used anywhere."""
    project = Path(__file__).parents[2]
    forbidden = ("import pickle", "import marshal", "pickle.load", "yaml.load(", " eval(", "yaml.unsafe")
    sources = [path for folder in ("services", "shared") for path in (project / folder).rglob("*.py")]
    assert len(sources) > 80
    found = [(path.name, word) for path in sources for word in forbidden if word in path.read_text()]
    assert found == []


NAMES = ("core", "acme", "echo", "ACME")
TRICKS = ("..", ".", "%2e%2e", "%2f", "%00", "%0a", "%5c", "%ff", "%zz", "a%2fb")


def test_t15_a_path_means_one_thing_or_nothing(platform: Platform) -> None:
    """Every path of three such segments: a trick is refused as one, an odd name is unknown, one path runs."""
    for segments in product((*NAMES, *TRICKS, ""), repeat=3):
        path = "/" + "/".join(segments)
        before = platform.lambdas.invoked
        status = platform.call(rest_event("GET", path, headers=KEY))["statusCode"]
        is_plain = path == "/core/acme/echo"
        if is_plain:
            assert status == 200
        elif "//" in path or (segments[-1] and not set(segments).isdisjoint(TRICKS)):
            assert status == 400, path
        else:
            assert status in {403, 404}, path
        assert platform.lambdas.invoked - before == is_plain


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "body",
    [
        "[" * 65 + "]" * 65,
        "[" * 20_000,
        '{"a":' * 20_000,
        "[" * (SIX_MB - 1),
        "1" * 4_301,
        '{"a": NaN}',
        "[Infinity]",
        '{"a": 1, "a": 2}',
        '"\\ud800"',
        json.dumps([0] * MAX_VALUES),
        '"' * 5_000_000,
        "\\" * 5_000_000,
        '["' + "," * 5_000_000,
        "{" + '"a":1,' * 900_000,
    ],
    ids=lambda body: f"{body[:6]}... of {len(body)}",
)
def test_t16_odd_json_is_refused_before_anything_runs(body: str, platform: Platform) -> None:
    """Deep, long, doubled and half: 400 with a reason, and no worker is called."""
    before = platform.lambdas.invoked
    answer = post(platform, body)
    assert answer["statusCode"] == 400
    assert json_of(answer)["error"]
    assert platform.lambdas.invoked == before


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(bytes(200_000_000)), "gzip", 413),
        (gzip.compress(gzip.compress(b"{}")), "gzip", 400),
        (gzip.compress(gzip.compress(b"{}")), "gzip, gzip", 415),
        (gzip.compress(b"{}") * 2, "gzip", 400),
        (gzip.compress(b"{}")[:-4], "gzip", 400),
        (gzip.compress(b'{"a": 1}'), "gzip", 200),
        (b"{}", "deflate", 415),
    ],
    ids=["bomb", "nested", "nested twice", "two members", "cut off", "plain", "deflate"],
)
def test_t17_a_packed_body_is_unpacked_within_bounds(
    body: bytes, encoding: str, status: int, platform: Platform
) -> None:
    """A bomb of 200 MB, members within and behind one another: refused. One whole member passes."""
    assert post(platform, body, content_encoding=encoding)["statusCode"] == status


def test_t17_a_bomb_takes_no_more_memory_than_a_body(platform: Platform) -> None:
    """Unpacking ends at the limit: 200 MB behind 200 KB cost less than four bodies of 6 MB."""
    bomb = gzip.compress(bytes(200_000_000))
    tracemalloc.start()
    post(platform, bomb, content_encoding="gzip")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * SIX_MB


def test_t21_a_key_means_one_request(platform: Platform) -> None:
    """The same key with another body is refused, and the first answer comes again without a second run."""
    first = post(platform, '{"n": 1}', idempotency_key="order-1")
    before = platform.lambdas.invoked
    again = post(platform, '{"n": 1}', idempotency_key="order-1")
    assert (again["statusCode"], again["body"]) == (200, first["body"])
    assert again["headers"]["Idempotency-Replayed"] == "true"
    assert post(platform, '{"n": 2}', idempotency_key="order-1")["statusCode"] == 422
    assert platform.lambdas.invoked == before


def test_t24_every_accepted_call_can_be_followed(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    """One request id leads from the answer through both Lambdas' lines to the ledger's row."""
    answer = post(platform, "{}", prefer="respond-async")
    request_id = answer["headers"]["x-request-id"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    told = {line["service"]: line for line in lines if line.get("request_id") == request_id}
    assert set(told) == {"http", "worker"}
    assert {line["endpoint_id"] for line in told.values()} == {"acme"}
    execution = platform.ledger.get(json_of(answer)["job_id"])
    assert execution is not None
    assert (execution.request_id, execution.endpoint_id, execution.function) == (request_id, "acme", "echo")
    assert execution.principal
