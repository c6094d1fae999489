"""Why somebody is told of an alert or not: what notifications carry. Why an alert changed is a `rules.Cause`."""

from enum import StrEnum


class Reason(StrEnum):
    """What a judge, or the routing, decided about telling one address."""

    FIRST = "first"  # firing, and the address has not been told
    CHANGED = "changed"  # firing at a level that the address has not been told
    RESOLVED = "resolved"  # over, and the address had been told
    SILENCED = "silenced"
    NOTHING_NEW = "nothing new"
    NOT_YET = "not firing yet"
    NO_ADDRESS = "no address"
    UNUSABLE = "address cannot be used"
    WITHDRAWN = "over before it was told"
    REFUSED = "refused"  # the receiver will not have it: trying again cannot help
    DELIVERED = "delivered"
    RETRY = "failed, will be tried again"
    TEST = "test"
