"""URLs of large values: signed, and at hosts that a VPC reaches and that don't redirect."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from silvaengine.aws import botocore
from silvaengine.ledger.payload_store import PayloadStore, open_payload_store
from silvaengine.settings import Settings

HOSTS = {
    "us-east-1": "s3.us-east-1.amazonaws.com",
    "us-west-2": "s3.us-west-2.amazonaws.com",
    "eu-central-1": "s3.eu-central-1.amazonaws.com",
    "eu-south-2": "s3.eu-south-2.amazonaws.com",
    "ap-southeast-5": "s3.ap-southeast-5.amazonaws.com",
    "cn-north-1": "s3.cn-north-1.amazonaws.com.cn",
    "us-gov-west-1": "s3.us-gov-west-1.amazonaws.com",
    "us-iso-east-1": "s3.us-iso-east-1.c2s.ic.gov",
    "us-isob-east-1": "s3.us-isob-east-1.sc2s.sgov.gov",
    "eusc-de-east-1": "s3.eusc-de-east-1.amazonaws.eu",
}
BUCKETS = {
    "plain-bucket": "plain-bucket.{}",
    "dotted.bucket": "{}",
}  # no certificate covers the second's host


@pytest.fixture(autouse=True)
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Clients of this test alone, which have keys."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    botocore._client.cache_clear()
    botocore._session.cache_clear()
    yield monkeypatch
    botocore._client.cache_clear()
    botocore._session.cache_clear()


def store(region: str, bucket: str) -> PayloadStore:
    """Return a deployment's store."""
    return open_payload_store(Settings(region=region, payload_bucket=bucket))


@pytest.mark.parametrize("bucket", BUCKETS)
@pytest.mark.parametrize("region", HOSTS)
def test_a_url_names_the_regions_host(region: str, bucket: str) -> None:
    """With the signature that every region takes; it doesn't redirect, and a gateway endpoint serves it.

    docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html.
    """
    url = urlsplit(store(region, bucket).url("results/a"))
    assert url.netloc == BUCKETS[bucket].format(HOSTS[region])
    query = parse_qs(url.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert f"/{region}/s3/aws4_request" in query["X-Amz-Credential"][0]
    assert query["X-Amz-Expires"] == ["300"]


@pytest.mark.parametrize(
    ("region", "variable", "host"),
    [
        ("us-east-1", "AWS_USE_FIPS_ENDPOINT", "b-1.s3-fips.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "AWS_USE_FIPS_ENDPOINT", "b-1.s3-fips.us-gov-west-1.amazonaws.com"),
        ("eu-central-1", "AWS_USE_DUALSTACK_ENDPOINT", "b-1.s3.dualstack.eu-central-1.amazonaws.com"),
    ],
)
def test_a_url_names_the_host_that_was_asked_for(
    clients: pytest.MonkeyPatch, region: str, variable: str, host: str
) -> None:
    """FIPS or dual stack."""
    clients.setenv(variable, "True")
    assert urlsplit(store(region, "b-1").url("results/a")).netloc == host


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_another_host_has_no_buckets_below_it(clients: pytest.MonkeyPatch, variable: str) -> None:
    """An engine on this machine has one name."""
    clients.setenv(variable, "http://localhost:4566")
    assert store("us-east-1", "b-1").url("a").startswith("http://localhost:4566/b-1/a?")


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_url_reads_the_value(aws: str, bucket: str) -> None:
    """Over moto and over the local engine."""
    client = botocore.client("s3", "us-east-1")
    client.create_bucket(Bucket=bucket)
    payloads = store("us-east-1", bucket)
    assert payloads.store("result", "results/a b", "ä" * 150_001) == {"result_at": "results/a b"}
    url = payloads.url("results/a b")
    assert url.startswith(aws)
    with urlopen(url) as response:  # noqa: S310 - the engine's address
        assert response.read().decode() == "ä" * 150_001
