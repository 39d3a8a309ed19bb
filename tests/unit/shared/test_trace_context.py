"""The trace context that calls carry (docs/tracing.md), read as www.w3.org/TR/trace-context/ says."""

import pytest

from silvaengine.protocol.trace_context import read_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-01", "01"),
        (f"00-{TRACE}-{SPAN}-00", "00"),
        (f"00-{TRACE}-{SPAN}-09", "01"),  # of the flags only one is known, and the others are dropped
        (f"00-{TRACE}-{SPAN}-fe", "00"),
        (f"cc-{TRACE}-{SPAN}-01", "01"),  # a later version
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", "01"),
        (f"cc-{TRACE}-{SPAN}-01-", "01"),
    ],
)
def test_a_valid_one_is_followed(value: str, flags: str) -> None:
    """Trace and span of the caller, and whether it has sampled."""
    assert read_traceparent(value) == f"00-{TRACE}-{SPAN}-{flags}"


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        [f"00-{TRACE}-{SPAN}-01"],
        "",
        "-",
        f"ff-{TRACE}-{SPAN}-01",  # no version
        f"0x-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{TRACE[:-2]}  -{SPAN}-01",
        f"00-{TRACE[:-2]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}00-01",
        f"00-{TRACE}-{SPAN[:-1]}é-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-011",
        f"00-{TRACE}-{SPAN}-0g",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",  # which this version hasn't
        f"00-{TRACE}-{SPAN}-01-",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00_{TRACE}_{SPAN}_01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",  # sent twice
    ],
)
def test_any_other_is_ignored(value: object) -> None:
    """A trace begins anew."""
    assert read_traceparent(value) is None
