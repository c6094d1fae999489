"""When a failed attempt is repeated. Pure."""

from datetime import timedelta

from ckkit.errors import CkkitError

FIRST = timedelta(seconds=2)
LONGEST = timedelta(minutes=5)


def next_wait(attempt: int, error: CkkitError) -> timedelta | None:
    """
    Return how long to wait after the failed attempt number `attempt` (from 1): 2 s, 4 s … 5 min; None to give up.

    Given up is only what cannot succeed: an error whose details say `final`, where the receiver understood and will not
    have it. Anything else is tried for as long as it is true: who decides withdraws what is over. A receiver that says
    when to come again (`retry_after_s`) is asked then, within the same limits.
    """
    if error.details.get("final"):
        return None
    asked = timedelta(seconds=float(error.details.get("retry_after_s") or 0))
    doubled = FIRST * float(2 ** min(attempt - 1, 16))
    return min(max(doubled, asked), LONGEST)


def is_final(status: int) -> bool:
    """
    Say whether an HTTP status other than 2xx is the last word: the receiver is there and will not have it.

    >>> is_final(404), is_final(408), is_final(429), is_final(503)
    (True, False, False, False)
    """
    return 300 <= status < 500 and status not in (408, 429)
