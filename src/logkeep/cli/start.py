"""`logkeep serve` and `logkeep run`: their options; what they do stands in serve.py."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[str | None, typer.Option("--data", metavar="DIR", help="Folder of everything Logkeep keeps [./data].")]
Intake = Annotated[
    str | None,
    typer.Option("--intake", metavar="HOST:PORT", help="Where to take events, HTTP and UDP [127.0.0.1:7300]."),
]
Api = Annotated[
    str | None, typer.Option("--api", metavar="HOST:PORT", help="Where to answer API and pages [127.0.0.1:7301].")
]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="TOML file of settings.")]


def serve(data: Data = None, intake: Intake = None, api: Api = None, config: Config = None) -> int:
    """Run all of Logkeep on this machine: receivers, queue, processor, store, API and pages.

    The first start makes the data folder, an app with its key and a sign-in, and prints them; they stay in
    DIR/first-run.json, and a later start prints them on a terminal alone. Ctrl-C or SIGTERM stops it; nothing
    acknowledged is lost.
    """
    from logkeep.cli.serve import serve

    return serve(data, intake, api, config)


def run(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="receiver, udp, processor, keeper or api.")],
    data: Data = None,
    intake: Intake = None,
    api: Api = None,
    config: Config = None,
    index: Annotated[int, typer.Option("--index", min=0, help="Number of this receiver; names its partition.")] = 0,
) -> int:
    """Run one role in this process, as `logkeep serve` does for each of its processes."""
    from logkeep.cli.serve import run

    return run(role, data, intake, api, config, index)
