import logging
import re
from pathlib import Path

import pytest

from silvaengine.errors import ConfigurationError
from silvaengine.settings import (
    _CACHE_VARIABLES,
    _REDIS_VARIABLES,
    _VARIABLES,
    CacheSettings,
    RedisSettings,
    Settings,
)


def test_an_empty_environment_gives_the_contract_defaults() -> None:
    """Without a variable the specification's defaults hold."""
    settings = Settings.from_environment({})
    assert (settings.region, settings.stage, settings.table_prefix) == ("us-east-1", "beta", "se-")
    assert settings.log_level == logging.INFO
    assert settings.full_event_areas == frozenset()
    assert settings.sns_topic_arn is None


def test_an_empty_variable_counts_as_absent() -> None:
    """CloudFormation passes empty parameters as empty variables."""
    assert Settings.from_environment({"STAGE": "", "SNSTOPICARN": ""}) == Settings()


@pytest.mark.parametrize("text", ["DEBUG", "logging.DEBUG", "debug"])
def test_the_log_level_is_taken_in_the_old_form_too(text: str) -> None:
    """``logging.DEBUG`` is what existing deployments set."""
    assert Settings.from_environment({"LOGGINGLEVEL": text}).log_level == logging.DEBUG


@pytest.mark.parametrize(
    ("worker", "prefix"),
    [
        ("arn:aws:lambda:us-east-1:1:function:se-Worker", "arn:aws:lambda:us-east-1:1:function:se-pkg-"),
        ("arn:aws:lambda:us-east-1:1:function:mine", None),
        ("", None),
    ],
)
def test_packages_are_named_for_the_stack(worker: str, prefix: str | None) -> None:
    """Their Lambdas are the stack's own, as its worker is; another worker has none."""
    assert Settings.from_environment({"WORKER_ARN": worker}).package_prefix == prefix


def test_areas_are_trimmed() -> None:
    """Spaces around an area's name do not count."""
    assert Settings.from_environment({"FULL_EVENT_AREAS": " admin , debug,"}).full_event_areas == {
        "admin",
        "debug",
    }


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"EFSMOUNTPOINT": "/mnt", "PYTHONPACKAGESPATH": "packages"}, "/mnt/packages"),
        ({"PYTHONPACKAGESPATH": "/packages"}, "/packages"),
        ({"EFSMOUNTPOINT": "/mnt"}, "/mnt/"),
        ({}, None),
    ],
)
def test_the_packages_folder_is_joined(environ: dict[str, str], path: str | None) -> None:
    """Mount point and path name one folder together."""
    assert Settings.from_environment(environ).packages_path == path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOGGINGLEVEL", "LOUD"),
        ("REGISTRY_REFRESH_SECONDS", "soon"),
        ("REGISTRY_TTL_SECONDS", "-1"),
        ("LOG_SAMPLE", "2"),
    ],
)
def test_a_wrong_value_is_named_in_the_detail_only(name: str, value: str) -> None:
    """The operator reads the variable's name in the log, a client does not."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({name: value})
    assert name in caught.value.detail
    assert name not in caught.value.message


def test_every_variable_stands_in_the_contract() -> None:
    """What can be set is documented, and nothing else is asked for."""
    project = Path(__file__).parents[3]
    asked = set(re.findall(r'"([A-Z][A-Z_]+)"', (project / "shared/silvaengine/settings.py").read_text()))
    documented = (project / "docs/contract.md").read_text()
    assert {name for name in asked - {"INFO"} if f"`{name}`" not in documented} == set()


def test_every_setting_has_a_variable() -> None:
    """A field without one would always have its default; two fields are composed of others' variables."""
    assert set(Settings._fields) - set(_VARIABLES) == {"cache", "packages_path"}
    assert set(CacheSettings._fields) - set(_CACHE_VARIABLES) == {"redis"}
    assert set(RedisSettings._fields) - set(_REDIS_VARIABLES) == {"databases"}


def redis(**given: str) -> RedisSettings | None:
    """Return what these variables, named without ``REDIS_``, say of Redis."""
    return Settings.from_environment({f"REDIS_{name}": value for name, value in given.items()}).cache.redis


def test_no_host_is_no_redis() -> None:
    """Other variables alone name none."""
    assert redis() is None
    assert redis(PORT="6380", PASSWORD="secret", TLS="true") is None


def test_redis_is_read_from_its_variables() -> None:
    """Each variable of Redis has its default."""
    assert redis(HOST="h") == RedisSettings("h", 6379, 0, (), None, None, tls=False, cluster=False)
    given = redis(
        HOST="h", PORT="6380", DB="2", USERNAME="u", PASSWORD="p", TLS="True", CLUSTER="true", DB_API="7"
    )
    assert given == RedisSettings("h", 6380, 2, (("API", 7),), "u", "p", tls=True, cluster=True)


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("redis://h", RedisSettings("h")),
        ("redis://h:6380/3", RedisSettings("h", 6380, 3)),
        ("rediss://h", RedisSettings("h", tls=True)),
        ("redis://:p%40ss%2F@h", RedisSettings("h", password="p@ss/")),
        ("redis://u%3Aser:p@h", RedisSettings("h", username="u:ser", password="p")),
        ("redis://[::1]:7000", RedisSettings("::1", 7000)),
    ],
)
def test_redis_may_be_one_url(url: str, settings: RedisSettings) -> None:
    """User and password are percent-decoded, and rediss means TLS."""
    assert redis(URL=url) == settings


def test_a_url_goes_before_the_other_variables() -> None:
    """What it doesn't say is taken from them."""
    given = redis(URL="redis://h/3", HOST="other", PORT="6380", PASSWORD="p", DB="1", CLUSTER="true")
    assert given == RedisSettings("h", 6380, 3, password="p", cluster=True)


@pytest.mark.parametrize(
    "url",
    ["h:6379", "http://h", "redis://h:port", "redis://h:99999", "redis://[::1", "redis://", "redis://h/x"],
)
def test_a_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    """The operator is told which variable, and nothing of what it holds."""
    with pytest.raises(ConfigurationError) as caught:
        redis(URL=url.replace("h", "user:hunter2@h", 1))
    assert "REDIS_" in caught.value.detail
    assert "hunter2" not in caught.value.detail


def test_a_cache_may_have_a_database_of_its_own() -> None:
    """``REDIS_DB_{CACHE_NAME}``, with an underscore for a hyphen or a dot; the others have ``REDIS_DB``."""
    given = redis(HOST="h", DB="1", DB_API_V2="5")
    assert given
    assert [given.database_of(name) for name in ("api-v2", "api_v2", "Api.v2", "api")] == [5, 5, 5, 1]


@pytest.mark.parametrize("environ", [{}, {"REDIS_HOST": "h"}, {"REDIS_URL": "redis://h", "REDIS_DB_A": "3"}])
def test_settings_can_be_a_key(environ: dict[str, str]) -> None:
    """What is opened once for its settings, such as the worker's ledger, is kept by them."""
    assert hash(Settings.from_environment(environ)) == hash(Settings.from_environment(environ))


def test_a_password_is_not_shown() -> None:
    """Neither in a log nor in a trace."""
    assert "hunter2" not in repr(Settings.from_environment({"REDIS_URL": "redis://u:hunter2@h"}))


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ({}, CacheSettings()),
        ({"CACHE_DIR": "none"}, CacheSettings(folder=None)),
        ({"CACHE_DIR": "/mnt/c"}, CacheSettings(folder="/mnt/c")),
        ({"CACHE_MEMORY_MB": "1", "CACHE_DISK_MB": "2"}, CacheSettings(memory_bytes=2**20, disk_bytes=2**21)),
        ({"CACHE_FENCE_SECONDS": "0.5"}, CacheSettings(fence_seconds=0.5)),
    ],
)
def test_the_cache_is_sized_by_its_variables(given: dict[str, str], settings: CacheSettings) -> None:
    """Sizes are in megabytes and seconds; ``none`` stands for no disk."""
    assert Settings.from_environment(given).cache == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CACHE_MEMORY_MB", "10241"),
        ("CACHE_DISK_MB", "-1"),
        ("CACHE_FENCE_SECONDS", "soon"),
        ("REDIS_DB_A", "x"),
    ],
)
def test_a_wrong_number_of_the_cache_is_named(name: str, value: str) -> None:
    """A number of the cache's variables is checked like every other one."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({name: value, "REDIS_HOST": "h"})
    assert name in caught.value.detail
