"""The wiring: the only place that knows every part. `serve` builds the program, runs it until it is told to stop, and takes it down.

Start: data directory and its lock → store → workspace → listening → delivery. Stop, in the other direction: no new requests → what is
on its way is settled or given back → store → lock. A killed program needs no repair: leases pass, and the lock ends with the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from sternpost import __version__, access, logs
from sternpost.alerts import facts as alert_facts
from sternpost.alerts.notifier import Notifier
from sternpost.browserside import AgentHealth, BrowserSide
from sternpost.commandline import INSTALLED, CommandLine
from sternpost.console import wiring as console
from sternpost.control.answers import Answers
from sternpost.control.api import create_api
from sternpost.control.attempts import Attempts
from sternpost.control.audit import AuditLog
from sternpost.control.auth import Principal, owner_token
from sternpost.control.context import Context
from sternpost.control.live import LiveHub
from sternpost.control.noticing import Noticing
from sternpost.control.pace import Pace
from sternpost.control.people import People
from sternpost.control.personal import Personal
from sternpost.control.persons import Persons
from sternpost.control.replays import Pump
from sternpost.delivery import records
from sternpost.delivery.addresses import AddressRule
from sternpost.delivery.engine import Engine
from sternpost.delivery.sender import Sender
from sternpost.delivery.surroundings import Surroundings
from sternpost.demo.page import create_app as create_demo
from sternpost.demo.page import rudderstack_sdk
from sternpost.demo.shown import RECENT_MAX, shopfronts
from sternpost.destinations.registry import DESTINATIONS
from sternpost.disk import Disk
from sternpost.errors import StoreError, UsageError, WorkspaceError
from sternpost.gateway.app import Gateway
from sternpost.gateway.refused_log import RefusedLog
from sternpost.health import Health, MetricsPage
from sternpost.housekeeping import Housekeeping
from sternpost.intake.intake import Intake
from sternpost.intake.overflow import Overflow
from sternpost.metrics import Metrics
from sternpost.model import DestinationConfig, Event, Source, Workspace
from sternpost.observers import Observers
from sternpost.server import (
    Listener,
    Paths,
    bind,
    fetch,
    is_loopback,
    shown_host,
)
from sternpost.settings import Settings
from sternpost.store.access import AccessTables
from sternpost.store.opening import before_opening
from sternpost.store.persons import PersonTables
from sternpost.store.sqlite import SqliteStore
from sternpost.store.views import Views
from sternpost.tasks import running
from sternpost.tracing import open_tracing
from sternpost.workspace import stored
from sternpost.workspace.file import load as load_workspace
from sternpost.workspace.file import new_write_key
from sternpost.workspace.holder import WorkspaceHolder
from sternpost.workspace.secrets import SecretKey
from sternpost.workspace.watch import FileWatch

log = structlog.get_logger("sternpost")

STORE_FILE = "sternpost.db"
SERVER_FILE = "server.json"  #: in the data directory while the server runs: where the commands find it
SANDBOX_FILE = "sandbox.jsonl"
BUILDS_DIR = "browser"  #: second files of the browser SDK
GC_THRESHOLDS = (20_000, 50, 100)  #: new objects before the collector looks; a few MB at most wait for it


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`sternpost demo`: the sandbox and the shop page beside the server."""

    sandbox_port: int


@dataclass(frozen=True, slots=True)
class Ready:
    """What the banner says once events are accepted."""

    url: str  #: address of the server, without a slash at its end
    data_dir: Path
    store: str  #: "SQLite in ./sternpost-data"
    sources: tuple[Source, ...]
    first_start: bool
    warnings: tuple[str, ...]  #: what needs a person
    sandbox_url: str | None
    workspace_file: str  #: "" when the store holds the workspace
    setup_url: str  #: the one-time address of the console, "" once somebody owns the server


async def serve(
    settings: Settings,
    *,
    env: Mapping[str, str],
    ready: Callable[[Ready], None],
    demo: DemoOptions | None = None,
    commands: CommandLine = INSTALLED,
) -> None:
    """Run the server until SIGTERM or SIGINT. `commands` is how people start ours here, for the lines that pages show.

    Raises CommandError, UsageError, StoreError or WorkspaceError, each with sentences for people, when it cannot start; then nothing
    was changed.
    """
    logs.configure(settings.log_level, settings.log_format)
    if settings.store:
        raise UsageError(
            "--store: this version keeps events in SQLite in --data-dir only. Leave --store out."
        )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if not settings.data_dir.exists():
        _look_first(settings, env, demo)
    access.prepare_data_dir(settings.data_dir)
    with access.lock_data_dir(settings.data_dir):
        async with contextlib.AsyncExitStack() as stack:
            running = await _build(settings, env, demo, commands, stack)
            # The objects of the start live as long as the program: the collector need not look at them again.
            gc.collect()
            gc.freeze()
            # Events and their rows are freed by their counts; looking for cycles among them seven hundred at a time finds nothing.
            gc.set_threshold(*GC_THRESHOLDS)
            ready(running)
            # Where a person reads both, the banner has just said it.
            if not (sys.stdout.isatty() and sys.stderr.isatty()):
                log.info("ready", version=__version__, url=running.url, data_dir=str(settings.data_dir))
            await stopped.wait()
            log.info("stopping")


def _look_first(settings: Settings, env: Mapping[str, str], demo: DemoOptions | None) -> None:
    """What usually prevents a first start, before a directory is made that would stay behind. Raises as `serve`."""
    bind(settings.host, settings.port).close()
    if demo is not None:
        bind(settings.host, demo.sandbox_port, flag="--sandbox-port").close()
    access.find_api_token(settings.data_dir, env)
    if env.get(access.KEY_VARIABLE):
        access.secret_key(settings.data_dir, env)
    if settings.workspace is not None:
        load_workspace(settings.workspace, destinations=DESTINATIONS, env=env, new_write_key=new_write_key)


async def _build(
    settings: Settings,
    env: Mapping[str, str],
    demo: DemoOptions | None,
    commands: CommandLine,
    stack: contextlib.AsyncExitStack,
) -> Ready:
    """Everything, in the order of the start; `stack` takes it down in the other."""
    clock = time.time
    data_dir = settings.data_dir
    metrics = Metrics(CollectorRegistry())
    bound = bind(settings.host, settings.port)
    stack.callback(bound.close)

    notices = before_opening(data_dir / STORE_FILE, used=access.was_used(data_dir), now=clock())
    for notice in notices:
        log.warning("set_aside", notice=notice)
    store = SqliteStore(
        data_dir / STORE_FILE,
        notices=notices,
        observe=lambda operation, seconds: metrics.store_seconds.labels(operation=operation).observe(seconds),
    )
    stack.callback(store.close)
    disk = Disk(
        data_dir,
        store.files,
        timer=time.monotonic,
        # Spread into lanes, what arrived takes some more than it does now, while its pages are used again.
        owed_bytes=lambda: store.arrivals.bytes // 2,
    )

    sandbox_url = None
    if demo is not None:
        # Only the demo has one, and other starts are quicker without it.
        from sternpost.sandbox.app import create_app as create_sandbox

        sandbox = create_sandbox(state_file=data_dir / SANDBOX_FILE)
        sandbox_url = await _listen(stack, settings.host, demo.sandbox_port, sandbox, flag="--sandbox-port")

    secret_key = access.secret_key(data_dir, env)
    holder = WorkspaceHolder(
        destinations=DESTINATIONS,
        keeper=store,
        key=SecretKey(secret_key),
        env=env,
        clock=clock,
        path=settings.workspace,
    )
    watch = FileWatch(settings.workspace, holder.read_file) if settings.workspace is not None else None
    first = stored.demo_document(sandbox_url) if sandbox_url is not None else stored.example_document()
    first_start = await holder.start(first)

    views = Views(data_dir / STORE_FILE)
    stack.callback(views.close)
    personal = Personal(secret_key)
    live = LiveHub(
        views,
        lambda: holder.current,
        lambda destination_id: _pace(engine, destination_id),
        personal=personal,
    )
    tracing = None
    if settings.otlp_endpoint:
        tracing, provider = open_tracing(settings.otlp_endpoint, settings.trace_share, clock)
        stack.callback(
            provider.shutdown
        )  # what was gathered leaves first; bounded by the exporter's own time limit
    observers = Observers(metrics, live.publish, tracing)
    engine: Engine

    def wake(due: Iterable[tuple[str, str, float]]) -> None:
        engine.wake(due)

    persons: Persons

    def stopped(event: Event, user_id: str) -> bool:
        return persons.is_stopped(event, user_id)

    def workspace() -> Workspace:
        return holder.current

    around = Surroundings(
        store=store,
        workspace=workspace,
        clock=clock,
        random=random.random,
        observer=observers,
        wake=wake,
        give_up_s=settings.give_up_hours * 3600,
        stopped=stopped,
    )
    engine = Engine(around, DESTINATIONS, addresses=lambda config: _addresses(settings, holder, config))
    intake = Intake(
        store,
        workspace=workspace,
        destinations=DESTINATIONS,
        clock=clock,
        queued_events=lambda: store.queued_events,
        wake=wake,
        observer=observers,
        check=disk.check,
    )
    overflow = Overflow(
        store,
        intake,
        queued_events=lambda: store.queued_events,
        new_id=lambda: str(uuid.uuid4()),
    )
    refused = RefusedLog()

    def forget_in_memory(ids: Iterable[str]) -> None:
        gone = list(ids)
        engine.forget(gone)
        refused.forget(gone)

    persons = Persons(
        PersonTables(store),
        views,
        workspace=workspace,
        destinations=DESTINATIONS,
        clock=clock,
        send=engine.exchange,
        caught_up=overflow.caught_up,
        forget_in_memory=forget_in_memory,
    )
    await persons.start()
    health = Health(store, disk, clock, spreading=lambda: overflow.problem)
    gateway = Gateway(
        accept=intake.accept,
        arrive=overflow.arrive,
        crowded=overflow.wanted,
        behind=overflow.behind,
        workspace=workspace,
        clock=clock,
        new_id=lambda: str(uuid.uuid4()),
        metrics=metrics,
        refused=refused,
        health=health,
        trusted_proxies=settings.trusted_proxies or None,
        masking_key=access.derived_key(secret_key, "masking"),
    )

    pump = Pump(
        store,
        views,
        workspace=workspace,
        clock=clock,
        route_for=intake.replayed,
        wake=wake,
    )
    token = access.api_token(data_dir, env)
    tables = AccessTables(store)
    people = People(tables, clock=clock, own_token=owner_token(token))
    await people.start()
    audit = AuditLog(tables, clock=clock, answers=Answers(workspace))
    agents = AgentHealth()
    context = Context(
        store=store,
        views=views,
        live=live,
        facts=store,
        workspaces=holder,
        destinations=DESTINATIONS,
        clock=clock,
        people=people,
        audit=audit,
        attempts=Attempts(audit, clock=clock),
        personal=personal,
        route_for=intake.route,
        wake=wake,
        send=engine.exchange,
        ask=engine.ask,
        new_write_key=lambda: new_write_key(""),
        request_record=records.request_record,
        reply_record=records.reply_record,
        refused=refused.entries,
        health=health,
        disk_free_bytes=disk.free_bytes,
        bytes_max=settings.bytes_max,
        new_id=lambda: str(uuid.uuid4()),
        pace=lambda destination_id: _pace(engine, destination_id),
        resume=engine.resume,
        caught_up=overflow.caught_up,
        persons=persons,
        replays_changed=pump.woken,
        agents=agents.of,
        ask_again=engine.ask_again,
        trusted_proxies=settings.trusted_proxies,
    )
    api = create_api(context)
    browser = BrowserSide(workspace=workspace, health=agents, clock=clock, builds_dir=data_dir / BUILDS_DIR)
    scrape = MetricsPage(
        metrics,
        views,
        workspace,
        clock=clock,
        who_is=people.who_is,
        listens_on_loopback=is_loopback(settings.host),
        health=health,
        destinations=DESTINATIONS,
        bytes_max=settings.bytes_max,
    )
    apps: dict[str, ASGIApp] = {
        "/api/v1": api,
        "/sourceConfig": browser,
        "/lib/": browser,
        "/metrics": scrape,
    }
    if sandbox_url is not None:
        apps["/demo"] = _demo_page(sandbox_url, workspace, api, token, commands)
    setup_token = ""
    front = "/demo/" if demo else ""
    if "console" in settings.roles:
        apps[console.MOUNT], setup_token = await console.create(
            settings,
            context,
            api=api,
            gateway=gateway,
            store=store,
            metrics=metrics,
            sandbox_url=sandbox_url,
            commands=commands,
            stack=stack,
        )
        front = front or f"{console.MOUNT}/"
    listener = Listener(Paths(gateway, gateway.handles, apps, front=front), bound)
    url = f"http://{shown_host(settings.host)}:{listener.port}"

    async def workspace_changed() -> None:
        metrics.workspace_revision.set(holder.current.revision)
        await engine.apply()

    # We hold the data directory's lock, so whoever held a lease has ended: what a killed server had in hand need not wait it out.
    await store.take_over(now=clock())
    await engine.apply()
    stack.push_async_callback(engine.stop)
    holder.on_change = workspace_changed
    metrics.workspace_revision.set(holder.current.revision)

    async def fold_what_was_moved() -> None:
        # The log may have no name any more: what it holds is safe once it is in the store's file.
        if disk.moved():
            await store.fold()

    housekeeping = Housekeeping(
        store,
        clock=clock,
        retention_s=settings.retention_days * 86_400,
        bytes_max=settings.bytes_max,
        look_first=fold_what_was_moved,
    )
    await stack.enter_async_context(running(overflow.run()))
    await stack.enter_async_context(running(housekeeping.run()))
    noticing = Noticing(views, store, busy=lambda: store.queued_events > 0)
    await stack.enter_async_context(running(noticing.run()))
    await stack.enter_async_context(running(pump.run()))
    await stack.enter_async_context(running(persons.run()))
    if watch is not None:
        await stack.enter_async_context(running(_follow(watch, holder, audit)))
    if settings.alert_webhook:
        # The operator names the address when starting the server, so it may be any.
        sender = Sender(AddressRule(everything=True), connections_max=1)
        stack.push_async_callback(sender.close)
        notifier = Notifier(
            settings.alert_webhook,
            facts=lambda: alert_facts.gather(
                views=views,
                workspace=holder.current,
                health=health,
                bytes_max=settings.bytes_max,
                clock=clock,
            ),
            send=sender,
            console=url,
        )
        await stack.enter_async_context(running(notifier.run()))
    await stack.enter_async_context(_listening(listener))
    stack.callback(live.close)  # before listening ends, which would wait for whoever watches
    stack.enter_context(_server_file(data_dir / SERVER_FILE, url))
    return Ready(
        url=url,
        data_dir=data_dir,
        store=f"SQLite in {access.shown(data_dir)}",
        sources=tuple(holder.current.sources.values()),
        first_start=first_start,
        warnings=(*notices, *warnings(holder.current)),
        sandbox_url=sandbox_url,
        workspace_file=holder.current.read_from,
        setup_url=f"{url}{console.MOUNT}/setup/{setup_token}" if setup_token else "",
    )


def warnings(workspace: Workspace) -> Iterable[str]:
    """What in the workspace needs a person, as sentences."""
    for config in workspace.destinations.values():
        if config.secret_problem:
            yield f"{config.id}: {config.secret_problem}"
        for fact in DESTINATIONS[config.type].facts(config.settings):
            yield f"{config.id}: {fact}"


def _pace(engine: Engine, destination_id: str) -> Pace | None:
    pacer = engine.pacer(destination_id)
    if pacer is None:
        return None
    return Pace(pacer.limit, pacer.rate, pacer.wait_s, engine.silent_since(destination_id))


def _addresses(settings: Settings, holder: WorkspaceHolder, config: DestinationConfig) -> AddressRule:
    """Hosts may point to loopback while the server itself listens on loopback only, and to whatever a workspace *file* names."""
    return AddressRule(
        loopback=is_loopback(settings.host),
        everything=holder.path is not None,
        networks=tuple(settings.allow_private_hosts),
    )


def _demo_page(
    sandbox_url: str, workspace: Callable[[], Workspace], api: ASGIApp, token: str, commands: CommandLine
) -> ASGIApp:
    """The shop of `sternpost demo`; it asks for the fate of its events in this process, so that no token is in a page."""
    authorization = (b"authorization", f"Bearer {token}".encode())

    async def events_of(anonymous_id: str) -> Mapping[str, Any] | None:
        query = urlencode({"q": f"anon:{anonymous_id}", "limit": str(RECENT_MAX)})
        status, body = await fetch(api, f"/api/v1/events?{query}", authorization)
        return json.loads(body) if status == 200 else None

    return create_demo(
        sandbox_url=lambda: sandbox_url,
        shopfronts=lambda: shopfronts(workspace()),
        events_of=events_of,
        rudderstack=rudderstack_sdk(),
        commands=commands,
    )


@contextlib.asynccontextmanager
async def _listening(listener: Listener) -> AsyncIterator[None]:
    task = await listener.listen()
    try:
        yield
    finally:
        listener.should_exit = True
        await task


async def _listen(stack: contextlib.AsyncExitStack, host: str, port: int, app: ASGIApp, *, flag: str) -> str:
    """Serve an app on a port of its own; its address."""
    listener = Listener(app, bind(host, port, flag=flag))
    await stack.enter_async_context(_listening(listener))
    return f"http://{shown_host(host)}:{listener.port}"


@contextlib.contextmanager
def _server_file(path: Path, url: str) -> Any:
    """Where the commands of this machine find the server; gone when it stops politely."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    temporary.replace(path)
    try:
        yield
    finally:
        # On a disk that became read-only it stays; the commands find out that nobody answers there.
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


async def _follow(watch: FileWatch, holder: WorkspaceHolder, audit: AuditLog) -> None:
    """Apply the workspace file again whenever it changes."""
    who = Principal(f"file:{holder.path}", "owner", "file")
    async for found in watch.changes():
        before, document = holder.current.revision, holder.document
        try:
            await holder.file_changed(found)
            if holder.current.revision != before:
                changes = holder.changes_since(document)
                await audit.add(
                    who, "apply_workspace", f"revision {holder.current.revision}", changes=changes
                )
        except (StoreError, WorkspaceError) as error:
            log.warning("workspace_not_applied", error=str(error))
            continue
        if isinstance(found, WorkspaceError):
            log.error("workspace_invalid", error=str(found))
        else:
            log.info("workspace_applied", revision=holder.current.revision)
