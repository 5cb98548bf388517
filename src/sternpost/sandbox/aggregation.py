"""`POST /api/v1/aggregation`: reading back, a subset of Pendo's pipelines (pendo.md, "Aggregation") [A: aggregation.subset].

Sources visitors, accounts, events, trackEvents, trackTypes; a timeSeries; the stages identified, filter, select, group,
sort, limit, skip, count. Anything else answers 400 `unsupported in sandbox: …`, so that nobody trusts a wrong number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from sternpost.sandbox import limits, seed
from sternpost.sandbox.expression import Unsupported, compile_expression, field_of, order_key
from sternpost.sandbox.identity import is_anonymous
from sternpost.sandbox.lists import track_type_id, track_type_rows
from sternpost.sandbox.model import Event, Reply, Request, json_reply, message_reply
from sternpost.sandbox.payload import NotJson, decode_json
from sternpost.sandbox.people import account_metadata, visitor_metadata
from sternpost.sandbox.state import State

Row: TypeAlias = Mapping[str, Any]
_PERIODS = {"dayRange": ("day", 86_400_000), "hourRange": ("hour", 3_600_000)}
_DATE = re.compile(r"date\(\s*(\d{4})\s*,\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)", re.ASCII)
_MS_MAX = 10**15
_COUNT_MAX = 1_000_000


def aggregate(state: State, request: Request, params: Mapping[str, str]) -> Reply:
    """Run a pipeline; `results` with `messages` and `startTime` [S: tap-pendo, OpenAPI]."""
    try:
        body = decode_json(request.body)
    except NotJson as error:
        return message_reply(400, str(error))
    inner = body.get("request") if isinstance(body, dict) else None
    pipeline = inner.get("pipeline") if isinstance(inner, dict) else None
    if (
        not isinstance(pipeline, list)
        or not pipeline
        or not all(isinstance(stage, dict) and stage for stage in pipeline)
    ):
        return message_reply(400, 'The body must be {"request": {"pipeline": [{"source": …}, …]}}.')
    if len(pipeline) > limits.AGGREGATION_STAGES_MAX:
        return message_reply(400, f"A pipeline has at most {limits.AGGREGATION_STAGES_MAX} stages.")
    try:
        rows = _source(state, request, pipeline[0])
        for stage in pipeline[1:]:
            rows = _stage(stage, rows)
        results = list(rows)
    except Unsupported as error:
        return message_reply(400, f"unsupported in sandbox: {error}")
    return json_reply(200, {"results": results, "messages": [], "startTime": request.at_ms})


# --- sources ----------------------------------------------------------------------------------------------------------


def _source(state: State, request: Request, stage: Mapping[str, Any]) -> Iterable[Row]:
    source = stage.get("source")
    if stage.keys() != {"source"} or not isinstance(source, dict):
        raise Unsupported("a pipeline that does not begin with a source")
    names = [name for name in source if name != "timeSeries"]
    if len(names) != 1:
        raise Unsupported(f"a source of {len(names)} kinds")
    options = source[names[0]]
    if options is not None and not isinstance(options, dict):
        raise Unsupported(f"these options of the source {names[0]}")
    match names[0]:
        case "visitors":
            return _visitors(state, _only(options, "identified").get("identified"))
        case "accounts":
            _only(options)
            return [
                {"accountId": record_id, "metadata": account_metadata(record_id, account)}
                for record_id, account in state.kept.accounts.items()
            ]
        case "trackTypes":
            _only(options, "appId")
            return track_type_rows(state)
        case "trackEvents":
            wanted = _only(options, "trackTypeId", "appId").get("trackTypeId")
            return _event_rows(
                state, request, source.get("timeSeries"), track_types=True, wanted=_texts(wanted)
            )
        case "events":
            _only(options, "appId")
            return _event_rows(state, request, source.get("timeSeries"), track_types=False, wanted=None)
        case other:
            raise Unsupported(f"the source {other}")


def _visitors(state: State, identified: Any) -> list[Row]:
    rows: list[Row] = []
    for record_id, visitor in state.kept.visitors.items():
        if identified is None or (identified is True) != is_anonymous(record_id):
            rows.append({"visitorId": record_id, "metadata": visitor_metadata(record_id, visitor)})
    return rows


def _event_rows(
    state: State, request: Request, series: Any, *, track_types: bool, wanted: set[str] | None
) -> list[Row]:
    """Events aggregated by hour or day: count `numEvents`, not rows [S: rows of `trackEvents`]."""
    unit, unit_ms, first, last = _time_series(series, request.at_ms)
    rows: dict[Any, dict[str, Any]] = {}
    for event in state.events:
        if not first <= event.timestamp < last or (track_types and event.type != "track"):
            continue
        type_id = track_type_id(event.app, event.event or "") if track_types else None
        if wanted is not None and type_id not in wanted:
            continue
        bucket = event.timestamp - event.timestamp % unit_ms
        key = _row_key(event, type_id, bucket)
        row = rows.get(key)
        if row is None:
            rows[key] = _event_row(event, type_id, unit, bucket)
        else:
            row["numEvents"] += 1
    return list(rows.values())


def _row_key(event: Event, type_id: str | None, bucket: int) -> Any:
    details = msgspec.json.encode(
        [event.context.get("ip"), event.context.get("userAgent"), event.properties if type_id else None]
    )
    return (event.visitor_id, event.account_id, event.app, type_id or event.type, bucket, details)


def _event_row(event: Event, type_id: str | None, unit: str, bucket: int) -> dict[str, Any]:
    row = {
        "visitorId": event.visitor_id,
        "accountId": event.account_id,
        "appId": seed.APP_IDS[event.app],
        unit: bucket,
        "numEvents": 1,
        "numMinutes": 1,
        "server": event.context.get("server", ""),
        "remoteIp": event.context.get("ip", ""),
        "userAgent": event.context.get("userAgent", ""),
    }
    if type_id is None:
        return row | {"type": event.type}
    return row | {"trackTypeId": type_id, "properties": event.properties}


def _time_series(series: Any, now_ms: int) -> tuple[str, int, int, int]:
    """The unit with its length, and the period from `first` up to `last`; without a series everything, by day."""
    if series is None:
        return "day", 86_400_000, -_MS_MAX, _MS_MAX
    if not isinstance(series, dict) or series.get("period") not in _PERIODS:
        raise Unsupported("this timeSeries")
    unit, unit_ms = _PERIODS[series["period"]]
    first = _moment(series.get("first"), now_ms)
    first -= first % unit_ms
    if "last" in series:
        end = _moment(series["last"], now_ms)
        return unit, unit_ms, first, end - end % unit_ms + unit_ms
    count = series.get("count")
    if isinstance(count, bool) or not isinstance(count, int) or count == 0 or abs(count) > _COUNT_MAX:
        raise Unsupported("a timeSeries without last or count")
    if count > 0:
        return unit, unit_ms, first, first + count * unit_ms
    # A negative count looks back from `first`, the period of `first` included.
    return unit, unit_ms, first + (count + 1) * unit_ms, first + unit_ms


def _moment(value: Any, now_ms: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MS_MAX:
        return value
    if isinstance(value, str):
        text = value.strip()
        if text == "now()":
            return now_ms
        if text.isdecimal() and text.isascii() and len(text) <= 15:
            return int(text)
        date = _DATE.fullmatch(text)
        if date is not None:
            try:
                return int(datetime(int(date[1]), int(date[2]), int(date[3]), tzinfo=UTC).timestamp() * 1000)
            except ValueError:
                pass
    raise Unsupported(f"the time {str(value)[:50]!r}")


def _only(options: Mapping[str, Any] | None, *names: str) -> Mapping[str, Any]:
    for name in options or {}:
        if name not in names:
            raise Unsupported(f"the option {name} of a source")
    return options or {}


def _texts(value: Any) -> set[str] | None:
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) for item in values):
        raise Unsupported("ids that are not texts")
    return set(values)


# --- stages -----------------------------------------------------------------------------------------------------------


def _stage(stage: Mapping[str, Any], rows: Iterable[Row]) -> Iterable[Row]:
    if len(stage) != 1:
        raise Unsupported("a stage with several names")
    ((name, options),) = stage.items()
    handler = _STAGES.get(name)
    if handler is None:
        raise Unsupported(f"the stage {name}")
    return handler(options, rows)


def _identified(options: Any, rows: Iterable[Row]) -> Iterable[Row]:
    """Rows of identified visitors; the option names the field that holds the visitor id."""
    field = options if isinstance(options, str) else "visitorId"
    return [
        row
        for row in rows
        if isinstance(field_of(row, field), str) and not is_anonymous(field_of(row, field))
    ]


def _filter(options: Any, rows: Iterable[Row]) -> Iterable[Row]:
    if not isinstance(options, str):
        raise Unsupported("a filter that is not a text")
    wanted = compile_expression(options)
    return [row for row in rows if wanted(row)]


def _select(options: Any, rows: Iterable[Row]) -> Iterable[Row]:
    if not isinstance(options, dict) or not all(isinstance(path, str) for path in options.values()):
        raise Unsupported("this select")
    columns = {name: compile_expression(path) for name, path in options.items()}
    return [{name: column(row) for name, column in columns.items()} for row in rows]


def _sort(options: Any, rows: Iterable[Row]) -> Iterable[Row]:
    if not isinstance(options, list) or not all(isinstance(field, str) for field in options):
        raise Unsupported("this sort")
    ordered = list(rows)
    for field in reversed(options):
        path = field.removeprefix("-")
        ordered.sort(key=lambda row, path=path: order_key(field_of(row, path)), reverse=field.startswith("-"))  # type: ignore[misc]
    return ordered


def _limit(options: Any, rows: Iterable[Row]) -> Iterable[Row]:
    return list(rows)[: _natural(options)]


def _skip(options: Any, rows: Iterable[Row]) -> Iterable[Row]:
    return list(rows)[_natural(options) :]


def _natural(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Unsupported("a limit or skip that is not a whole number")
    return min(value, 10**9)


def _count(options: Any, rows: Iterable[Row]) -> Iterable[Row]:
    if options is not None:
        raise Unsupported("a count with options")
    return [{"count": len(list(rows))}]


def _group(options: Any, rows: Iterable[Row]) -> Iterable[Row]:
    """`{"group": [fields], "fields": [{name: {count|sum|min|max|first|list: field}}]}`."""
    if not isinstance(options, dict) or not options.keys() <= {"group", "fields"}:
        raise Unsupported("this group")
    by = options.get("group") or []
    if not isinstance(by, list) or not all(isinstance(field, str) for field in by):
        raise Unsupported("this group")
    columns = _group_columns(options.get("fields"))
    groups: dict[bytes, list[Row]] = {}
    for row in rows:
        groups.setdefault(msgspec.json.encode([field_of(row, field) for field in by]), []).append(row)
    grouped = []
    for members in groups.values():
        out = {field: field_of(members[0], field) for field in by}
        for name, (function, field) in columns.items():
            values = [field_of(member, field) for member in members] if field else [None for _ in members]
            out[name] = len(members) if function == "count" and not field else _FUNCTIONS[function](values)
        grouped.append(out)
    return grouped


def _group_columns(fields: Any) -> dict[str, tuple[str, str | None]]:
    parts = fields if isinstance(fields, list) else [fields or {}]
    columns: dict[str, tuple[str, str | None]] = {}
    for part in parts:
        if not isinstance(part, dict):
            raise Unsupported("these fields of a group")
        for name, how in part.items():
            if not isinstance(how, dict) or len(how) != 1:
                raise Unsupported("these fields of a group")
            ((function, field),) = how.items()
            if (
                function not in _FUNCTIONS
                or not isinstance(field, str | None)
                or (field is None and function != "count")
            ):
                raise Unsupported(f"{function} in a group")
            columns[name] = (function, field)
    return columns


def _present(values: list[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _sum(values: list[Any]) -> int | float:
    return sum(value for value in values if isinstance(value, int | float))


_FUNCTIONS: dict[str, Callable[[list[Any]], Any]] = {
    "count": lambda values: len(_present(values)),
    "sum": _sum,
    "min": lambda values: min(_present(values), key=order_key, default=None),
    "max": lambda values: max(_present(values), key=order_key, default=None),
    "first": lambda values: values[0],
    "list": _present,
}
_STAGES: dict[str, Callable[[Any, Iterable[Row]], Iterable[Row]]] = {
    "identified": _identified,
    "filter": _filter,
    "select": _select,
    "group": _group,
    "sort": _sort,
    "limit": _limit,
    "skip": _skip,
    "count": _count,
}
