from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from silvaengine.registry.canary import covers

PERCENT = st.floats(0, 100)


@given(st.text(), st.lists(PERCENT, min_size=2))
def test_a_growing_share_moves_tenants_one_way(endpoint_id: str, shares: list[float]) -> None:
    """Who is covered stays covered until the share shrinks; 0 % is nobody and 100 % everybody."""
    covered = [covers("shop", endpoint_id, share) for share in sorted(shares)]
    assert covered == sorted(covered)
    assert not covers("shop", endpoint_id, 0)
    assert covers("shop", endpoint_id, 100)


def test_shares_are_of_the_tenants() -> None:
    """Of 4,000 tenants whose names follow each other, each twentieth is 200, give or take five sigma."""
    for package in ("shop", "mail", "a"):
        up_to = [sum(covers(package, f"tenant-{n}", 5 * k) for n in range(4_000)) for k in range(21)]
        assert all(abs(more - less - 200) < 70 for less, more in pairwise(up_to))


def test_packages_begin_with_other_tenants() -> None:
    """A tenant that is first for one package isn't for all: of 1,000 in a tenth, a tenth is in another's."""
    first = [n for n in range(10_000) if covers("shop", f"tenant-{n}", 10)]
    assert 50 < sum(covers("mail", f"tenant-{n}", 10) for n in first) < 150


def test_it_is_the_same_in_each_process() -> None:
    """All instances must agree, also those of the next version: the hash is fixed."""
    assert [n for n in range(40) if covers("shop", f"tenant-{n}", 10)] == [26, 33]
