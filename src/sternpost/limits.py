"""Every bound in the program, with its unit in the name and its reason beside it."""

from __future__ import annotations

# --- the door -------------------------------------------------------------------------------------------------------
REQUEST_BODY_BYTES_MAX = 4_096_000  #: RudderStack's 4000 × 1024, decoded (contract 4)
BATCH_EVENTS_MAX = 20_000  #: of one request, which is checked and kept as a whole; SDKs send hundreds
JSON_DEPTH_MAX = 200  #: deeper nesting is refused as invalid JSON; no SDK comes near, parsers recurse
REQUESTS_IN_FLIGHT_MAX = 2_000  #: with bodies of 4 MB this is what memory can take; above it 503
BODY_BYTES_IN_FLIGHT_MAX = 256 * 1024 * 1024  #: all bodies being read together; above it 503
BODY_TIMEOUT_S = 60.0  #: for one body to arrive; a byte a minute must not hold memory for ever
#: A body that has been arriving so long gives way when requests or bytes run out: others are quicker.
BODY_PATIENCE_S = 2.0
GZIP_MEMBERS_MAX = 100  #: parts of one gzip body; each costs a window, and an empty one is only 20 bytes
DECODE_INLINE_BYTES_MAX = 262_144  #: larger bodies are decoded in a thread, beside the loop,
DECODE_INLINE_OBJECTS_MAX = 5_000  #: and so are those that hold more objects than this: 20 ms or so
DECODES_AT_ONCE_MAX = 2  #: of such bodies; 4 MB of tiny entries are 200 MB of objects
AUTH_CACHE_ENTRIES_MAX = 1_000  #: decoded Authorization headers; write keys are few
KEY_CHARS_MAX = 200  #: longer messageIds, lanes and ids are kept by their digest in keys and indexes
REFUSED_KEPT_MAX = 1_000  #: refused requests kept in memory for people to look at

# --- connections ----------------------------------------------------------------------------------------------------
CONNECTIONS_MAX = 5_000  #: open at once, an idle one costs some 10 kB; above it those that wait longest without a request are closed
FILES_RESERVED = 400  #: of the files that the system allows us, for the store, destinations and the console; less for connections
#: Of a request line and its headers, also of trailers; browsers stop at a quarter of it.
HEAD_BYTES_MAX = 65_536
HEADERS_MAX = 200  #: in one request; each costs a hundred bytes beyond its own, and no client sends fifty
HEAD_TIMEOUT_S = 20.0  #: for a request line and its headers to arrive
BODY_BACKSTOP_S = 90.0  #: for a body at any address; the data plane's own limit (BODY_TIMEOUT_S) comes first and is answered
#: Of a body that comes behind its answer, read so that the client sees the answer.
REST_BYTES_MAX = 16_777_216
LINGER_S = 2.0  #: a connection that is closed for a reason is read for so long, for the same purpose
REST_TIMEOUT_S = 30.0  #: for that rest
UNREAD_TIMEOUT_S = 30.0  #: an answer may be left unread for so long; what was not sent is held in memory
PIPELINED_MAX = 8  #: requests that wait for the answer before them on one connection; each costs some 3 kB
KEEP_ALIVE_S = 75  #: longer than the idle limit of usual proxies (60 s), so that the proxy closes first

# --- intake and store -----------------------------------------------------------------------------------------------
ACCEPT_QUEUE_EVENTS_MAX = 50_000  #: events waiting for the writer; above it 503, memory stays bounded
ACCEPT_TIMEOUT_S = 10.0  #: as RudderStack's; then 503
COMMIT_EVENTS_MAX = 2_000  #: events in one transaction: bounds the latency of the one that came first
#: Of one source waiting for the writer; above it what it sends is kept as it came, spread later.
STRAIGHT_EVENTS_MAX = 400
#: Ids in arrivals that are remembered, some 20 MB; above it everybody may be in one.
ARRIVALS_PEOPLE_MAX = 200_000
#: Of one arrival; larger requests are kept in parts, so that spreading one takes milliseconds.
ARRIVAL_BYTES_MAX = 262_144
#: Events in arrivals; half a minute or so of spreading, above it accepting goes at its pace.
ARRIVALS_EVENTS_MAX = 1_000_000
#: Of their bodies, which are written twice; a tenth of the default of --bytes-max.
ARRIVALS_BYTES_MAX = 1_000_000_000
#: Events spread in one transaction: some 16 ms, which others wait; of 200 each costs a fifth more.
SPREAD_EVENTS_MAX = 500
#: A request of more is kept as it came, in parts of so many, so that others need not wait for all of it.
BATCH_STRAIGHT_EVENTS_MAX = SPREAD_EVENTS_MAX
ATTEMPTS_KEPT_MAX = 20  #: tries kept per event and destination: the first 3 and the last 17
LINKS_PER_ANONYMOUS_MAX = 100  #: one browser, so many users; older ones go
MEMBERSHIPS_PER_PERSON_MAX = 100  #: accounts of one person with their times; older ones go
PROFILE_KEPT_DAYS = 400  #: newest link and membership of a person since last used
RETENTION_DAYS = 7  #: default of --retention-days
DISK_RESERVE_BYTES = 64 * 1024 * 1024  #: left on the disk for what delivery and clean-up write down: one log
DISK_RESERVE_PART = 20  #: but at most this part of the disk (5 %), so that a small disk can be used
PRUNE_CHUNK_EVENTS = 500  #: events removed per transaction, so that accept never waits long
LANE_IDLE_S = 3_600.0  #: empty lane rows are removed after so long
HOLD_MAX_EVENTS = 1_000  #: held events per anonymousId (rule I7)

# --- delivery -------------------------------------------------------------------------------------------------------
LEASE_S = 60.0  #: three times the request timeout; renewed while a run is worked on
LEASE_RENEW_S = 15.0  #: how often a worker renews what it holds
RUN_MAX = 100  #: events of one lane in one lease
REQUEST_TIMEOUT_S = 20.0
CONNECT_TIMEOUT_S = 10.0
REPLY_BODY_BYTES_MAX = 4 * 1024 * 1024  #: read at most; a report about 1,000 visitors stays far below
REPLY_BODY_KEPT_BYTES = 10_240  #: of a reply in the fate
REQUEST_BODY_KEPT_BYTES = 10_240  #: of a request in the fate
RETRY_BASE_S = 1.0
RETRY_CAP_S = 300.0
RETRY_AFTER_MAX_S = 3_600.0  #: a Retry-After beyond an hour is taken as an hour
RETRY_MAX_AGE_H = 72.0  #: default of --give-up-hours, counted from the first try
BLOCKED_PROBE_S = 60.0
#: Answers of a channel; when so many of them are final refusals, it blocks and waits for a person:
REFUSED_OF_LAST = 200
REFUSED_SHARE = 0.95  #: a backlog that is wrong as a whole must not become dead letters
AILING_AFTER = 20  #: requests of a channel in a row that nothing came of: from then on it is only looked whether it works again,
AILING_QUIET_S = 5.0  #: and nothing came of any other request for so long
AILING_LANES = 4  #: by so many lanes
#: Every so often: the tries of a thousand lanes must not cost the other destinations their time.
AILING_PAUSE_S = 0.5
SHUTDOWN_GRACE_S = 8.0  #: for requests on their way when the server stops
DO_NOT_PROCESS_IDS_MAX = 100_000  #: remembered ids per destination
SAME_STAMP_ENTRIES_MAX = 10_000  #: recent (visitor, millisecond) pairs per destination
IDLE_POLL_S = 30.0  #: a worker without wake-ups looks again after so long
GATE_RECHECK_S = 5.0  #: a gated lane is looked at again at the latest after this

# --- replays --------------------------------------------------------------------------------------------------------
REPLAYS_OPEN_MAX = 10  #: running or paused at a time: each has a share of what may wait
REPLAYS_KEPT_MAX = 100  #: that have ended, to look at; the oldest are forgotten
#: Replayed deliveries of one job that wait: a paused job comes to rest soon, and lanes stay few.
REPLAY_WAITING_MAX = 2_000
REPLAY_RATE_MAX = 10_000.0  #: events per second of one job; the destination's own limit holds besides

# --- people ---------------------------------------------------------------------------------------------------------
STOPPED_MAX = 200_000  #: ids of stopped people: all are in memory, some 20 MB
DELETIONS_KEPT_MAX = 10_000  #: receipts of forgotten people
#: A larger store is not rewritten when somebody is forgotten: accepting would wait too long.
COMPACT_BYTES_MAX = 512 * 1024 * 1024

# --- live view ------------------------------------------------------------------------------------------------------
LIVE_QUEUE_ENTRIES_MAX = 2_000  #: per listener; a slow one loses the oldest and is told how many
LIVE_LISTENERS_MAX = 100
PAGE_ROWS_MAX = 500  #: rows of one page of any list
