"""What a person may do about one event at one destination: try it again, now, or not, and why not. Pure."""

from __future__ import annotations

from typing import Any, Literal

from sternpost.model import Workspace
from sternpost.store.kept import Kept, Standing

How = Literal["retry", "now", "ask", "replay", ""]

#: Calls that say what is true of a person: an old one behind a newer one would undo it.
PROFILE_TYPES = frozenset({"identify", "group", "alias", "merge"})


def again(
    kept: Kept, standing: Standing, workspace: Workspace, *, later: str | None = None
) -> dict[str, Any]:
    """`how`: retry (a dead letter goes back into its lane), now (its next try need not be waited for), ask (whether a blocked channel
    works again), replay (it is delivered once more). "" with `why`: nothing of it is possible. `later`: the messageId of a later call
    of the person that was delivered there, asked for with `undoes`.
    """
    config = workspace.destinations.get(standing.destination_id)
    connected = workspace.connection(kept.event.source_id, standing.destination_id) is not None
    how: How = ""
    why = ""
    if config is None:
        why = "The destination was removed."
    elif standing.state == "rejected" and not connected:
        why = "Its source is not connected to the destination any more: connect them first."
    elif standing.state == "rejected":
        how = "retry"
    elif standing.state == "blocked":
        how = "ask"
    elif standing.state == "retrying" and standing.next_attempt_at is not None:
        how = "now"
    elif standing.state == "retrying":
        why = "It is being tried at this moment."
    elif standing.waits_for is not None:
        why = "An earlier event of the same person goes first; sending this one now would break their order."
    elif standing.state == "held":
        why = "It waits for the person to be identified; sent now, it would make another visitor."
    elif standing.state == "pending":
        why = "Its turn comes by itself."
    elif not connected:
        why = "Its source is not connected to the destination any more: connect them first."
    elif later is not None:
        why = f"A later call of the same person ({later}) was delivered: this one behind it would bring old values back."
    else:
        how = "replay"
        why = "It would arrive once more." if standing.state == "delivered" else ""
    return {"how": how, "why": why}


def undoes(kept: Kept, standing: Standing) -> bool:
    """Whether delivering it again could undo what a later call said."""
    return standing.state in {"delivered", "skipped"} and kept.event.type.strip().lower() in PROFILE_TYPES
