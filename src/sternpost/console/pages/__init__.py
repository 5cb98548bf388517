"""The pages: each a function from a visit to the data of a template, made of answers of the control API.

A module holds a group of pages and lists their addresses in its `PAGES`; a new module is added to the list here.
"""

from __future__ import annotations

from sternpost.console.pages import (
    destination_forms,
    destinations,
    events,
    failures,
    home,
    mapping,
    people,
    persons,
    replay,
    revisions,
    rules,
    seen,
    settings,
    source_forms,
    sources,
    tries,
)
from sternpost.console.surroundings import PageOf

PAGES: tuple[PageOf, ...] = (
    *home.PAGES,
    *events.PAGES,
    *failures.PAGES,
    *source_forms.PAGES,  # before the page of one source, which takes any id
    *sources.PAGES,
    *destination_forms.PAGES,
    *destinations.PAGES,
    *mapping.PAGES,
    *persons.PAGES,
    *replay.PAGES,
    *tries.PAGES,
    *revisions.PAGES,
    *rules.PAGES,
    *seen.PAGES,
    *settings.PAGES,
    *people.PAGES,
)
