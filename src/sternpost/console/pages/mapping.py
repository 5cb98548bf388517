"""How a destination maps what comes, in the partner's words."""

from __future__ import annotations

from sternpost.console.inside import ApiProblem, part
from sternpost.console.surroundings import Page, PageOf, Result, Surroundings, Visit

#: Block, its heading in Pendo's words, and what a row becomes.
HEADINGS = {
    "visitor": ("identify → visitor", "visitor metadata"),
    "account": ("group → account", "account metadata"),
    "track": ("track → track event", "event property"),
}
ANONYMOUS = {
    "skip": "Events without a user are not sent. Nothing counts towards your monthly visitors before login.",
    "prefix": "They are sent under Pendo's anonymous prefix. Each browser counts as a visitor; Pendo joins it with the user only where its "
    "identity mapping is switched on.",
    "hold": "They wait here until the person logs in, and then go to that user. Who never logs in is skipped and counts nowhere.",
}


async def mapping(around: Surroundings, visit: Visit) -> Result:
    identifier: str = visit.request.path_params["destination"]
    config = around.context.workspaces.current.destinations.get(identifier)
    if config is None:
        raise ApiProblem(
            404,
            {
                "error": {
                    "message": f'There is no destination "{identifier[:100]}".',
                    "remedy": "See Destinations.",
                }
            },
        )
    if config.type != "pendo":
        raise ApiProblem(
            404,
            {
                "error": {
                    "message": f"{config.name} gets each event as it came, so there is no mapping to look at.",
                    "remedy": "See Try for what would be sent.",
                }
            },
        )
    found = await around.api.get(f"/destinations/{part(identifier)}/mapping", {"user": visit.query("user")})
    return Page(
        "mapping.html",
        f"Mapping · {config.name}",
        {
            **found,
            "name": config.name,
            "headings": HEADINGS,
            "anonymous_said": ANONYMOUS,
            "group": config.settings.metadata_group,
            "chosen": config.settings.anonymous_visitors,
            "nested": config.settings.nested_traits,
        },
    )


PAGES: tuple[PageOf, ...] = (("GET", "/destinations/{destination}/mapping", mapping, "editor"),)
