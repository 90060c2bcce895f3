"""The options of `logkeep send`, one alias each, so that the command's signature stays readable."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

# As in decode/lines FORMATS, and two more: "auto" looks, "ndjson" is Logkeep's own events.
FormatName = Literal[
    "auto", "ndjson", "jsonlines", "combined", "common", "apache-error", "openstack", "logcat", "syslog", "log4j",
    "logfmt", "plain",
]  # fmt: skip

Files: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE]...", help="Log files (also .gz); - or none: standard input.", show_default=False),
]
Format: TypeAlias = Annotated[
    FormatName, typer.Option("--format", "-f", metavar="FORMAT", help=f"One of {', '.join(FormatName.__args__)}.")
]
Session: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="TEMPLATE",
        help="Session of the events: a text, with {field}s of the line such as {pid}, {thread}, {component}, {user}, "
        "{file} or {minute}. [the line's own, else the file's name]",
        show_default=False,
    ),
]
SessionRegex: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="REGEX",
        help="Session is what this finds in the line (its first group); {match} in --session.",
        show_default=False,
    ),
]
SessionDefault: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="TEMPLATE",
        help="Session of lines where the above finds none; also {line}, and {run}: the line where the run of such "
        "lines began.",
    ),
]
Component: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Component of the events. [what the line names, else the file's name]",
        show_default=False,
    ),
]
Key: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Key of the events. [the line's own, else log; access logs: request]", show_default=False
    ),
]
Follow: TypeAlias = Annotated[
    bool,
    typer.Option("--follow", "-F", help="Go on as the files grow, also after rotation; Ctrl-C ends it."),
]
Url: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="LOGKEEP_INTAKE_URL",
        help="Intake of the service. [the one on --data, else by the settings: http://127.0.0.1:7300]",
    ),
]
AppKey: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--app-key", metavar="KEY", envvar="LOGKEEP_KEY", help="Key to send with. [of first-run.json in --data]"
    ),
]
KeyFile: TypeAlias = Annotated[Path | None, typer.Option(metavar="FILE", help="File that holds the key.")]
Data: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Data folder of a service on this machine. [LOGKEEP_DATA or ./data]")
]
BatchEvents: TypeAlias = Annotated[
    int, typer.Option(metavar="N", min=1, max=10_000, help="Events in a request at most (and 512 KiB).")
]
Packing: TypeAlias = Annotated[
    Literal["zstd", "gzip", "plain"], typer.Option(metavar="ENCODING", help="zstd, gzip or plain.")
]
Year: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="YEAR",
        min=1970,
        max=2261,
        help="Year of times without one. [the latest that is not after the file's last change]",
    ),
]
TimeZone: TypeAlias = Annotated[
    str, typer.Option(metavar="ZONE", help="Zone of times without one, such as Europe/Berlin.")
]
ShiftToNow: TypeAlias = Annotated[
    bool,
    typer.Option("--shift-to-now", help="Move times so that the last event of each file is now; for demonstrations."),
]
WithinDays: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="DAYS",
        min=0.001,
        help="With --shift-to-now: squeeze times so that a file spans this many days at most.",
    ),
]
NoIds: TypeAlias = Annotated[
    bool, typer.Option("--no-ids", help="Send no ids: sending a file twice then doubles its events.")
]
RetryS: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", min=0, help="How long to try a batch while the service is away (--follow: for ever)."
    ),
]
