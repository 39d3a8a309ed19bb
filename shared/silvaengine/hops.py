"""How far functions may call one another: each call says how many led to it, so that a loop ends.

AWS ends loops of Lambda, SQS and SNS after some 16 calls of one function, where the trace header came along:
docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html. This ends them earlier, and says why.
"""

from silvaengine.errors import LoopError, RequestError

MAX_HOPS = 8


def checked_hops(hops: object) -> int:
    """Give the number that a call between functions carries; None is 0.

    Raises:
        LoopError: 508, it is more than 8.
        RequestError: it isn't a whole number from 0 on.
    """
    if hops is None:
        return 0
    if type(hops) is not int or hops < 0:
        raise RequestError("The call's hops are not a whole number")
    if hops > MAX_HOPS:
        raise LoopError(f"Functions have called one another more than {MAX_HOPS} times: is it a loop?")
    return hops
