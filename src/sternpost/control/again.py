"""What a person may do about one event at one destination: try it again, now, or not, and why not. Pure."""

from __future__ import annotations

from typing import Any, Literal

from sternpost.model import Workspace
from sternpost.store.views import Kept, Standing

How = Literal["retry", "now", "ask", ""]


def again(kept: Kept, standing: Standing, workspace: Workspace) -> dict[str, Any]:
    """`how`: retry (a dead letter goes back into its lane), now (its next try need not be waited for), ask (whether a blocked channel
    works again). "" with `why`: nothing of it is possible.
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
    else:
        # Delivering again what is done is a replay: it stands there with its warnings.
        why = "It is done. A replay delivers kept events again."
    return {"how": how, "why": why}
