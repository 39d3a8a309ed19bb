"""Which Lambda a registry row's ARN means, in a deployment that took over another's tables."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from silvaengine.errors import InvocationError
from silvaengine.settings import Settings


@dataclass(frozen=True, slots=True)
class Workers:
    """The Lambdas that a gateway may invoke.

    Args:
        own: ARN of this stack's worker; None where nothing is known of it, then every ARN is taken as it is.
        mapped: ARNs or names of former workers, whose calls go to the own one.
        others: ARNs of further workers, with ``*`` and ``?``.
    """

    own: str | None = None
    mapped: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> "Workers":
        """Take what the deployment says."""
        return cls(settings.worker_arn, frozenset(settings.mapped_workers), settings.other_workers)

    def lambda_for(self, arn: str) -> str:
        """Give the ARN to invoke for a row's ARN.

        Raises:
            InvocationError: 502, it is neither mapped nor listed; ``detail`` names it.
        """
        if self.own is None or arn == self.own:
            return arn
        if arn in self.mapped or arn.rpartition(":function:")[2] in self.mapped:
            return self.own
        if any(fnmatchcase(arn, other) for other in self.others):
            return arn
        words = f"{arn} is neither in WorkerArnMap nor in OtherWorkerArns"
        raise InvocationError(
            "The function can't be invoked", error_type="UnknownWorker", error_message=words
        )
