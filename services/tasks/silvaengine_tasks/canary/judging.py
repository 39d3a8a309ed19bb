"""Whether a canary goes back, waits or goes forward, by its tenants' calls in the hour before and since.

A tenant had ``n`` calls in the hour before and ``m`` since; ``F`` of them all failed. Say that its odds of
failing are at most ``w`` times what they were. Then, whatever its rate, how many of these ``F`` are the
canary's is a sum of independent indicators (Fisher's noncentral hypergeometric distribution, whose polynomial
has only real roots: Vatutin and Mikhailov 1982) with a mean of at most ``F * w*m / (w*m + n)``: that is what
drawing calls with weights gives, and without replacement the heavier ones run out first. Over all tenants it
is such a sum again, and the tail of such a sum from its mean plus 1 on is at most that of the binomial
distribution with the same mean (Hoeffding 1956, "On the distribution of the number of successes in
independent trials", theorem 4). So tenants may differ as they like, and no rate is estimated.

Looking often would add up to many errors: each look has only the part of ``ERROR`` by which the spending
function (Lan and DeMets 1983, "Discrete sequential boundaries for clinical trials") grew since the look
before. All that is ever spent is below ``ERROR``, and so is the probability that a good canary goes back.

It assumes that calls fail independently of each other, at a rate that was steady in the hour before, and that
reports are late whatever they say. Calls that fail together, since what they all need is away, look like a
bad release. docs/canary.md has what simulations show where rates wobble.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import exp, lgamma, log, log1p
from typing import Literal

from silvaengine.named_tuple import NamedTuple

ERROR = 0.01
"""The probability that a canary goes back which is no worse, over all looks."""

SPENT_BY_THEN = 0.9
"""The part of it that is for the looks until the canary could go forward; the rest is for later ones."""

WORSE = 1.5
"""How many times the odds of failing may be what they were, over all tenants: they wobble without a cause."""

WORSE_ALONE = 3.0
"""How many times one tenant's may: they wobble more."""

DOUBT = 0.05
"""A canary waits while a good one would look as bad with at most this probability."""

LEAST_CALLS = 20
"""With fewer calls no canary goes forward."""

LEAST_FAILURES = 3
"""With fewer failed calls none goes back."""


class TenantCalls(NamedTuple):
    """A tenant's calls and those that failed: in the hour before the canary, and since then on it."""

    endpoint_id: str
    calls_before: int
    failures_before: int
    calls: int
    failures: int


class Verdict(NamedTuple):
    """What a canary should do, and why, in words for people."""

    action: Literal["back", "wait", "forward"]
    reason: str


class _Finding(NamedTuple):
    """The probability with which good releases look as bad as with these tenants: at most this."""

    probability: float
    tenants: Sequence[TenantCalls]


def judge(
    tenants: Sequence[TenantCalls], elapsed: float, *, after: float = 1800, since: float = 60
) -> Verdict:
    """Return what a canary should do.

    Args:
        tenants: the calls of each tenant that the canary covers.
        elapsed: seconds since the canary began.
        after: seconds from its beginning after which it may go forward; above 0, the same at each look.
        since: seconds since the look before; ``elapsed`` or more at the first.
    """
    findings = sorted(_findings(tenants))
    allowed = spent(elapsed, after) - spent(elapsed - since, after)
    for finding in findings:
        if finding.probability <= allowed and _failures(finding.tenants) >= LEAST_FAILURES:
            return Verdict("back", _described(finding))
    if elapsed < after:
        return Verdict("wait", f"{after - elapsed:.0f} of {after:.0f} seconds are left")
    calls, newcomers = sum(tenant.calls for tenant in tenants), _newcomers(tenants)
    if calls < LEAST_CALLS:
        return Verdict("wait", f"it had {calls} calls, and {LEAST_CALLS} are needed")
    if not newcomers.calls_before:
        return Verdict("wait", "its tenants had no calls in the hour before to compare with")
    doubt = min(*findings, _Finding(chance([newcomers], WORSE), [newcomers]))
    if doubt.probability <= DOUBT:
        return Verdict("wait", f"it may be worse: {_described(doubt)}")
    return Verdict("forward", f"{_failures(tenants):,} of {calls:,} calls failed: no sign that it is worse")


def chance(tenants: Iterable[TenantCalls], worse: float) -> float:
    """Return the probability of at least so many failures on the canary as there are: at most this.

    Args:
        tenants: their calls; those without any before or since tell nothing.
        worse: how many times each tenant's odds of failing may be what they were; 1 or more.
    """
    failures = trials = 0
    mean = 0.0
    for _, calls_before, failures_before, calls, failures_since in tenants:
        failed = failures_before + failures_since
        if failed and calls and calls_before:
            failures += failures_since
            trials += failed
            mean += failed * worse * calls / (worse * calls + calls_before)
    return _binomial_tail(failures, trials, mean)


def _findings(tenants: Sequence[TenantCalls]) -> Iterator[_Finding]:
    """Yield what is found of all tenants together, which has half of the error, and of each alone."""
    compared = [tenant for tenant in tenants if tenant.calls and tenant.calls_before]
    yield _Finding(2 * chance(compared, WORSE), compared)
    for tenant in compared:
        if tenant.failures * tenant.calls_before > WORSE_ALONE * tenant.failures_before * tenant.calls:
            yield _Finding(2 * len(compared) * chance([tenant], WORSE_ALONE), [tenant])


def _newcomers(tenants: Sequence[TenantCalls]) -> TenantCalls:
    """Return the calls of tenants without any in the hour before, beside those of the others then.

    That keeps a canary from going forward, but takes none back: newcomers may differ from the others.
    """
    new = [tenant for tenant in tenants if not tenant.calls_before]
    return TenantCalls(
        "tenants without calls in the hour before",
        sum(tenant.calls_before for tenant in tenants),
        sum(tenant.failures_before for tenant in tenants),
        sum(tenant.calls for tenant in new),
        _failures(new),
    )


def spent(elapsed: float, after: float) -> float:
    """Return how much of ``ERROR`` looks until then may spend."""
    if elapsed <= after:
        return ERROR * SPENT_BY_THEN * max(elapsed, 0) / after
    return ERROR * (1 - (1 - SPENT_BY_THEN) * after / elapsed)


def _binomial_tail(successes: int, trials: int, mean: float) -> float:
    """Return the probability of so many successes or more; 1 up to the mean plus 1."""
    if successes <= mean + 1:
        return 1.0
    p = mean / trials
    ways = lgamma(trials + 1) - lgamma(successes + 1) - lgamma(trials - successes + 1)
    term = exp(ways + successes * log(p) + (trials - successes) * log1p(-p))
    total = 0.0
    while term > total * 1e-9:
        total += term
        term *= (trials - successes) / (successes + 1) * p / (1 - p)
        successes += 1
    return min(total, 1.0)


def _failures(tenants: Iterable[TenantCalls]) -> int:
    return sum(tenant.failures for tenant in tenants)


def _described(finding: _Finding) -> str:
    tenants = finding.tenants
    who = tenants[0].endpoint_id if len(tenants) == 1 else f"{len(tenants)} tenants"
    calls, failures = sum(tenant.calls for tenant in tenants), _failures(tenants)
    usual = sum(tenant.calls * tenant.failures_before / tenant.calls_before for tenant in tenants)
    return (
        f"{who}: {failures:,} of {calls:,} calls failed ({failures / calls:.2%}); at the rates of the hour "
        f"before it would be {usual:,.1f} ({usual / calls:.2%}), of {sum(t.calls_before for t in tenants):,} "
        f"calls then; a good release looks so with a probability of at most {finding.probability:.1g}"
    )
