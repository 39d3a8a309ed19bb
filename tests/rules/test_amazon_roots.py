"""The authorities that the signed client trusts are replaced half a year before one of them ends."""

import ssl
import time

from silvaengine.aws.origin import AMAZON_ROOTS

HALF_A_YEAR = 183 * 86_400  # seconds


def ends() -> list[float]:
    """Return when each bundled certificate ends, in epoch seconds."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(AMAZON_ROOTS)
    return [ssl.cert_time_to_seconds(str(each["notAfter"])) for each in context.get_ca_certs()]


def is_due(now: float) -> bool:
    """Return whether a certificate has half a year or less left."""
    return min(ends()) - now <= HALF_A_YEAR


def test_the_authorities_hold_for_half_a_year() -> None:
    """If not, take the new ones from www.amazontrust.com/repository into amazon_roots.pem."""
    assert len(ends()) == 5
    assert not is_due(time.time())


def test_their_end_is_noticed_half_a_year_before() -> None:
    """By the certificate that ends first, to the second."""
    moment = min(ends()) - HALF_A_YEAR
    assert not is_due(moment - 1)
    assert is_due(moment)
