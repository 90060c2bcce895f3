"""The commands, each in a module that is loaded only when it is called: `logkeep --help` must not wait for them."""

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol, cast

import msgspec
import typer
from typer.core import TyperCommand, TyperGroup

import logkeep
from logkeep.errors import InputError, LogkeepError

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


class CommandRow(msgspec.Struct, frozen=True):
    """place: `module:function` under logkeep.cli. examples: command lines, shown under `--help` and in the docs."""

    name: str
    place: str
    summary: str
    examples: tuple[str, ...]


COMMANDS = (
    CommandRow(
        "serve",
        "start:serve",
        "run all of Logkeep on this machine",
        ("logkeep serve", "logkeep serve --data /var/lib/logkeep --intake 0.0.0.0:7300"),
    ),
    CommandRow(
        "run", "start:run", "run one role in this process", ("logkeep run receiver --data /var/lib/logkeep --index 0",)
    ),
    CommandRow(
        "send",
        "send:send",
        "send log files, or what comes on standard input",
        (
            "logkeep send access.log",
            "logkeep send --format log4j --session-regex '(blk_-?[0-9]+)' --component hdfs HDFS.log",
            "logkeep send --follow /var/log/nginx/access.log /var/log/syslog",
            "my-program 2>&1 | logkeep send --session run-17 --component my-program",
            "adb logcat -v threadtime | logkeep send --format logcat --session 'phone-{pid}'",
        ),
    ),
    CommandRow(
        "query",
        "query:query",
        "find events",
        (
            "logkeep query 'level>=warn component:checkout' --from -1h",
            "logkeep query 'session:order-4711' --order asc --limit 5000 --format ndjson",
            "logkeep query 'level>=warn | count by component, bin(5m)' --from -1h",
            "logkeep query '\"connection refused\" -component:probe' --from -1d --format csv > refused.csv",
            "logkeep query --all --order asc --format ndjson > everything.ndjson",
        ),
    ),
    CommandRow(
        "tail",
        "tail:tail",
        "show events as they are stored",
        ("logkeep tail", "logkeep tail 'level>=warn component:checkout'", "logkeep tail --format ndjson | jq .value"),
    ),
    CommandRow(
        "erase",
        "erase:erase",
        "remove events for good, with a receipt",
        (
            "logkeep erase 'user=anna@example.org'",
            "logkeep erase --from 2026-08-01 --to 2026-08-02 --yes 'component:checkout card'",
        ),
    ),
    CommandRow(
        "load",
        "load:load",
        "generate realistic events and measure how they are taken",
        (
            "logkeep load",
            "logkeep load --batch 1000 --encoding zstd --events 1000000 --days 5",
            "logkeep load --protocol udp --rate 50000 --seconds 10",
        ),
    ),
    CommandRow(
        "check",
        "check:check",
        "look whether configuration, disk, ports, queue and store are in order",
        ("logkeep check", "logkeep check --data /var/lib/logkeep --config /etc/logkeep.toml"),
    ),
    CommandRow(
        "admin",
        "admin:admin",
        "manage people, teams, apps, keys and tokens",
        (
            "logkeep admin key create --app default",
            "logkeep admin token create --scope read --days 90",
            "logkeep admin invite anna@example.org --role admin",
            "logkeep admin reset-password admin@localhost",
            "logkeep admin audit list --what read.export",
        ),
    ),
    CommandRow(
        "settings",
        "settings_table:settings",
        "list every setting with its default",
        ("logkeep settings", "logkeep settings --markdown > docs/reference/settings.md"),
    ),
    CommandRow(
        "demo",
        "demo:demo",
        "fill a service with real logs and print links worth opening",
        ("logkeep demo", "logkeep demo --loghub ../shared/data/loghub"),
    ),
)

_HELP = """Logkeep: a central log service you run yourself."""
_EPILOG = """\b
First steps:
  logkeep serve                              start it; prints URL, sign-in and a curl to paste
  logkeep send access.log                    send a log file; its format is recognised
  logkeep query 'level:error' --from -1h     find what went wrong
\b
`logkeep COMMAND --help` shows the options of a command, with examples.
Every option that names an environment variable can be set there instead.
Exit codes: 0 done, 1 failed, 2 wrong usage."""


class _Runnable(Protocol):
    """What `typer.main.get_command` returns, as far as it is used here."""

    def main(self, args: Sequence[str], prog_name: str, *, standalone_mode: bool) -> Any: ...


class LazyGroup(TyperGroup):
    """Lists commands from the table and loads a module when its command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [row.name for row in COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        row = next((row for row in COMMANDS if row.name == cmd_name), None)
        if row is None:
            return None
        if cmd_name not in self.commands:
            self.add_command(load_command(row), cmd_name)
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(row.name, row.summary) for row in COMMANDS])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None:
            for row in COMMANDS:  # "did you mean" looks among the loaded ones
                self.commands.setdefault(row.name, TyperCommand(row.name))
        return super().resolve_command(ctx, args)


def load_command(row: CommandRow) -> Any:
    """The command of `row`, its module loaded."""
    module, function = row.place.split(":")
    found = getattr(importlib.import_module(f"logkeep.cli.{module}"), function)
    examples = "\n".join(f"  {line}" for line in row.examples)
    if isinstance(found, typer.Typer):  # a command of commands
        group = typer.main.get_command(found)
        group.epilog = f"\b\nExamples:\n{examples}"
        return group
    body = cast(Callable[..., int], found)
    one = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    one.command(row.name, epilog=f"\b\nExamples:\n{examples}")(body)
    return typer.main.get_command(one)


def create_app() -> _Runnable:
    group = typer.Typer(
        cls=LazyGroup,
        help=_HELP,
        epilog=_EPILOG,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )

    @group.callback()
    def _top(
        version: Annotated[bool, typer.Option("--version", help="Show the version.", callback=_show_version)] = False,
    ) -> None:
        pass

    return cast(_Runnable, typer.main.get_command(group))


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"logkeep {logkeep.__version__}")
        raise typer.Exit


def run(arguments: Sequence[str]) -> int:
    """The exit code of the command that `arguments` name; what went wrong stands on standard error."""
    command = arguments[0] if arguments else ""
    try:
        code = create_app().main(list(arguments), "logkeep", standalone_mode=False)
    except LogkeepError as error:
        print(f"logkeep {command}: {error.message}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, InputError) else FAILED
    except typer.Abort:
        return FAILED
    except Exception as error:
        if not hasattr(error, "exit_code") or not hasattr(error, "show"):
            raise
        error.show()  # typer's own: wrong usage, with the usage line
        return int(error.exit_code)
    return int(code or 0)
