"""Every bound of the sandbox, with its unit in the name and its reason beside it.

What is kept is kept in memory; a stranger who may reach the port must not be able to fill it. When a bound is hit the
oldest go, and the diagnostics say so (`memory_limit`).
"""

from __future__ import annotations

# --- one request ----------------------------------------------------------------------------------------------------
#: An agentic event may have 1 MB, a metadata batch has about as much; above it 413.
REQUEST_BODY_BYTES_MAX = 8 * 1024 * 1024
JSON_DEPTH_MAX = 100  #: deeper nesting is refused as not JSON; no client comes near, encoders recurse
JZB_BYTES_MAX = 4 * 1024 * 1024  #: inflated; the agent's batches have at most 65,536 characters deflated
JZB_EVENTS_MAX = 10_000  #: events of one batch; an agent's batch holds some dozens
JWT_CHARS_MAX = 65_536  #: as much as the agent puts into a POST
ID_CHARS_MAX = 1_000  #: visitor and account ids; longer ones are no ids
DELAY_MS_MAX = 600_000  #: of a fault; no client waits for longer than ten minutes
FAULT_STATUS_MAX = 599  #: and 200 at least; 1xx are no answers

# --- what came in (for people and tests to look at) -----------------------------------------------------------------
REQUESTS_KEPT_MAX = 1_000  #: requests of `/__sandbox/requests`
REQUESTS_KEPT_BYTES_MAX = 32 * 1024 * 1024  #: of their queries and bodies together
REQUEST_BODY_KEPT_BYTES = 128 * 1024  #: of one body; the agent's largest POST fits in
DECODED_KEPT_BYTES = 256 * 1024  #: inflated jzb shown with a request; larger ones are named, not shown
DIAGNOSTICS_KEPT_MAX = 10_000  #: a day of careful work; a benchmark passes it in a second
EXPLANATION_CHARS_MAX = 500  #: an explanation may quote ids and keys that strangers chose
FAULTS_MAX = 100  #: a test needs a handful

# --- the subscription -----------------------------------------------------------------------------------------------
EVENTS_KEPT_MAX = 200_000  #: about 150 MB with usual properties
EVENTS_KEPT_BYTES_MAX = 256 * 1024 * 1024  #: JSON bytes of what is kept; guards against few, huge events
VISITORS_MAX = 200_000  #: and as many accounts and parent accounts each
METADATA_BYTES_MAX = 128 * 1024 * 1024  #: metadata of all visitors (and of all accounts) as JSON
#: Oldest entries that go together; one at a time would walk the holes in the table again and again.
EVICT_CHUNK = 1_000
ACCOUNTS_PER_VISITOR_MAX = 1_000  #: association list of one visitor; the oldest go
#: Metadata fields of one kind and group; Pendo enforces no limit (hc/360038273392) [S].
FIELDS_PER_GROUP_MAX = 1_000
SAME_MS_ENTRIES_MAX = 50_000  #: recent (visitor, type, millisecond) triples that a repeat is looked for in
DNP_IDS_MAX = 200_000  #: ids marked as do not process
ALIASES_MAX = 200_000  #: anonymous ids that were merged into an identified one
PENDING_MAX = 100_000  #: arrivals that wait for the hourly run; the next one starts the run
PENDING_BYTES_MAX = 64 * 1024 * 1024  #: and their bytes
SEGMENTS_MAX = 1_000
SEGMENT_IDS_MAX = 100_000  #: visitors of one segment
SEGMENT_IDS_TOTAL_MAX = 1_000_000  #: of all segments together
EXPORTS_MAX = 1_000  #: jobs of segment exports
BULK_DELETES_MAX = 1_000
FEEDBACK_MAX = 1_000
FEEDBACK_BYTES_MAX = 16 * 1024 * 1024

# --- Pendo's own limits [S: hc/360032294291, hc/27418681207707, hc/13857784403611] -----------------------------------
EVENT_MAX_AGE_MS = 7 * 24 * 3_600_000
TRACK_PROPS_BYTES_MAX = 512  #: compact UTF-8 JSON of `properties` [limit S; measure A: TRACK_PROPS_MEASURE]
PROPERTY_KEY_CHARS_MAX = 32
PROPERTY_COUNT_ADVISED = 20
EVENT_NAMES_MAX = 5_000  #: per app
PROPERTY_KEYS_MAX = 10_000  #: per subscription
PROPERTY_VALUES_MAX = 10_000  #: distinct values of one key
#: Distinct values watched over all keys; beyond it cardinality is not diagnosed.
PROPERTY_VALUES_WATCHED_MAX = 500_000
TEXT_CHARS_ADVISED = 1_500  #: of a metadata text [S: hc/360038273392]
BULK_DELETE_IDS_MAX = 500
BULK_DELETE_INTERVAL_MS = 1_000
SEGMENT_PATCH_OPERATIONS_MAX = 10
SEGMENT_PATCH_IDS_MAX = 1_000
MAU_WINDOW_MS = 30 * 24 * 3_600_000  #: monthly active: seen in the last thirty days

# --- reading back ---------------------------------------------------------------------------------------------------
AGGREGATION_STAGES_MAX = 50
EXPRESSION_CHARS_MAX = 4_000
EXPRESSION_DEPTH_MAX = 40
HISTORY_EVENTS_MAX = 10_000  #: events of one `/history` answer
PAGE_ROWS_MAX = 30  #: rows of each table on the page for people; the rest is in the JSON
PAGE_CELL_CHARS = 300  #: of one JSON cell on the page

# --- the state file -------------------------------------------------------------------------------------------------
#: Then it is folded into a snapshot: a start reads at most so much again.
JOURNAL_BYTES_MAX = 64 * 1024 * 1024
