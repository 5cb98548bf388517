"""What all commands share: the list of them, help on a screen, errors as one sentence, and the exit status.

Status 0 done, 1 failed, 2 used wrongly, 130 interrupted. A reader that closes the pipe (`sternpost tail | head`) ends a command
quietly. Data goes to standard output, everything else to standard error. `--debug` shows the trace behind a sentence.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from sternpost import __version__
from sternpost.errors import SternpostError, UsageError

HELP_COLUMNS_MAX = 100

#: Name, where it is, and its one line of the overview. Not imported before it is asked for.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("serve", "sternpost.cli.serve:serve", "Run the server: accept events and deliver them."),
    ("demo", "sternpost.cli.serve:demo", "Run the server with a Pendo sandbox and a shop to click in."),
    ("sandbox", "sternpost.cli.sandbox:sandbox", "Run the local stand-in for Pendo on its own."),
    ("send", "sternpost.cli.send:send", "Send one event to a running server."),
    ("events", "sternpost.cli.events:events", "Show the fate of one event."),
    ("tail", "sternpost.cli.tail:tail", "Show events as they come and what becomes of them."),
    ("try", "sternpost.cli.attempt:attempt", "Show the requests an event would cause, without sending."),
    ("failures", "sternpost.cli.failures:failures", "List, show, retry or discard what was rejected."),
    ("replay", "sternpost.cli.replay:replay", "Deliver kept events again."),
    ("people", "sternpost.cli.people:people", "Show, stop, allow or forget a person."),
    ("access", "sternpost.cli.access:access", "Print a one-time address of the console."),
    ("doctor", "sternpost.cli.doctor:doctor", "Find out what is wrong and what to do about it."),
    ("backup", "sternpost.cli.backup:backup", "Copy a store to a file, while its server runs."),
    ("restore", "sternpost.cli.backup:restore", "Put such a copy back."),
    ("salvage", "sternpost.cli.salvage:salvage", "Save what can be read of a damaged store."),
    ("rotate-key", "sternpost.cli.rotation:rotate_key", "Encrypt the stored secrets with a new key."),
    (
        "workspace",
        "sternpost.cli.workspace:workspace",
        "Check, show, compare, apply or export the configuration.",
    ),
)


def short_help(program: str) -> str:
    """What the program says when it is started alone."""
    return f"""\
Sternpost {__version__} accepts events from RudderStack's SDKs and delivers them to Pendo.

  {program} demo     look at it: a server, a Pendo sandbox and a shop to click in
  {program} serve    use it: a server with an empty store in ./sternpost-data

Both need nothing else. Then, in another terminal:

  {program} send track --event "Hello" --user-id me

All commands: {program} --help   Documentation: docs/start.md"""


@dataclass(slots=True)
class Run:
    """One run of the program: what options say about all commands."""

    debug: bool = False
    color: bool | None = None  #: None: whatever suits the terminal


class Command(click.Command):
    """A command whose options are grouped in its help, with an example below."""

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.groups = dict(groups or {})
        self.params.extend(_common_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = {
            param.name: record for param in self.get_params(ctx) if (record := param.get_help_record(ctx))
        }
        for title, names in self.groups.items():
            rows = [records.pop(name) for name in names if name in records]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        if records:
            with formatter.section("Options"):
                formatter.write_dl(list(records.values()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(self.examples, formatter)


class Group(click.Group):
    """A command with commands of its own."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_examples(self.examples, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            raise UsageError(unknown("command", name, self.list_commands(ctx), ctx.command_path))
        return super().resolve_command(ctx, args)


class Program(Group):
    """`sternpost` itself: knows its commands by name only, and turns what goes wrong into a sentence and a status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, _, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for name, target, _ in COMMANDS:
            if name == cmd_name:
                module, _, attribute = target.partition(":")
                command = getattr(import_module(module), attribute)
                assert isinstance(command, click.Command)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, _, summary in COMMANDS])

    def main(  # type: ignore[override]  # it always exits, so it needs none of click's other ways to end
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        """Run and exit. Everything that can go wrong ends here, and only here."""
        run = Run(debug="--debug" in (sys.argv[1:] if args is None else args))
        extra |= {"standalone_mode": False, "obj": run}
        output = sys.stdout
        try:
            status = super().main(args, prog_name or "sternpost", **extra)
            sys.stdout.flush()
        except SystemExit as ended:
            # click ends a closed pipe by itself, in the way of a failure; the only sign is that it has wrapped the output.
            status = ended.code if sys.stdout is output else 0
        except (Exception, KeyboardInterrupt) as error:
            status = _fail(error, run)
        sys.exit(status if isinstance(status, int) else 0)


def _fail(error: BaseException, run: Run) -> int:
    """Say what went wrong on standard error; the exit status."""
    if isinstance(error, BrokenPipeError):
        from sternpost.cli.output import discard_output

        discard_output()
        return 0
    if run.debug and not isinstance(error, click.exceptions.Exit):
        import traceback

        traceback.print_exception(error)
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case KeyboardInterrupt() | click.Abort():
            return 130
        case click.exceptions.NoArgsIsHelpError():
            _complain(error.format_message())
            return 2
        case click.UsageError():
            _complain(_usage_sentence(error))
            return 2
        case UsageError():
            _complain(str(error))
            return 2
        case click.ClickException():
            _complain(error.format_message())
            return 1
        case SternpostError():
            _complain(str(error))
            return 1
        case OSError():
            what = (error.strerror or str(error)).lower()
            _complain(f"{error.filename}: {what}." if error.filename else f"It did not work: {what}.")
            return 1
        case _:
            _complain(
                f"This is a defect of Sternpost ({type(error).__name__}: {error}). "
                "Run the command again with --debug and report what it prints."
            )
            return 1


def _complain(text: str) -> None:
    # Where nobody reads it, the exit status still says it.
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _usage_sentence(error: click.UsageError) -> str:
    message = " ".join(error.format_message().split())
    command = error.ctx.command_path if error.ctx else "sternpost"
    return f"{message} See {command} --help."


def unknown(noun: str, name: str, known: Sequence[str], program: str = "") -> str:
    """The sentence for a word that is none of those that are known; `program` is what stands before it on a command line."""
    from sternpost.workspace.hints import near_miss

    before = f"{program} " if program else ""
    meant = near_miss(name, known)
    hint = f'Did you mean "{before}{meant}"?' if meant else f"There are {', '.join(known)}."
    return f'No {noun} "{before}{name}". {hint}'


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Example" if len(examples) == 1 else "Examples"):
            for example in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def _common_options() -> list[click.Parameter]:
    def keep_color(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
        run = ctx.find_object(Run)
        if value and run is not None:
            run.color = False

    return [
        click.Option(
            ["--no-color"],
            is_flag=True,
            expose_value=False,
            callback=keep_color,
            help="Plain text; NO_COLOR does the same.",
        ),
        # Read in `Program.main`, which must know it before anything can go wrong.
        click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the trace of an error."),
    ]


def command(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """A command of our kind, outside of a group."""
    return click.command(name, cls=Command, **attributes)


@click.group(
    "sternpost",
    cls=Program,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": HELP_COLUMNS_MAX},
    examples=("sternpost demo",),
)
@click.version_option(__version__, "--version", message="%(version)s")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the trace of an error.")
@click.pass_context
def program(ctx: click.Context) -> None:
    """Accept events from RudderStack's SDKs, keep them safe, and deliver them to Pendo."""
    if ctx.invoked_subcommand is None:
        from sternpost.commandline import program_here

        click.echo(short_help(program_here()))


def main() -> None:
    """The console script."""
    program.main()
