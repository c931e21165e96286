"""`tusou serve`: run the server."""

import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from tusou.cli import command
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import STANDARD_PORTS, Settings

# Whoever has Python's lock keeps it this long while others want it. At the usual 5 ms, answers that
# cost half a millisecond wait for several times that (`scripts/bench quota_load`).
_SWITCH_SECONDS = 0.0005
_DEMO_SERVICE = SERVICES["similar"]
_DEMO_USER = "demo"


@click.command()
@click.option("--host", help="Address to listen on [TUSOU_HOST, 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port [TUSOU_PORT, 8080].")
@click.option(
    "--private",
    is_flag=True,
    help="Listen on the private interface's ports too: 8025, 8027, 8120 and 8103, unless "
    "TUSOU_PRIVATE_PORTS names others.",
)
@click.option(
    "--demo",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Make a first application with five libraries, put this folder's pictures into "
    "`similar`, and print a search to try.",
)
@command
def serve(
    settings: Settings, host: str | None, port: int | None, private: bool, demo: Path | None
) -> None:
    """Run the server until it is told to stop; requests in flight are finished first."""
    # Here and not above: the other commands must not wait for these to load.
    from tusou.cli.listeners import Listeners
    from tusou.web.app import create_app

    settings = replace(
        settings,
        host=host or settings.host,
        port=settings.port if port is None else port,
        private_ports=settings.private_ports or (STANDARD_PORTS if private else ()),
    )
    _log_as_json()
    sys.setswitchinterval(_SWITCH_SECONDS)
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, _stop)
    with Listeners(settings) as listeners:
        runtime = Runtime(settings)
        address = listeners.address
        click.echo(f"tusou is listening on {address}   (try {address}/docs)")
        for other, serves in listeners.private_addresses():
            click.echo(f"private interface: {serves} on {other}")
        if demo is not None:
            _demonstrate(runtime, demo, address)
        sys.stdout.flush()
        listeners.serve(create_app(runtime, listeners.ports))


def _stop(*_: object) -> NoReturn:
    """Being told to stop is no failure; uvicorn raises the signal again when it has stopped.

    Before uvicorn runs nobody waits for an answer, and leaving Python in good order while other
    threads load models can abort or hang.
    """
    os._exit(0)


def _log_as_json() -> None:
    from tusou.web.log import JsonLines

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("alembic", "faiss", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _demonstrate(runtime: Runtime, folder: Path, address: str) -> None:
    """Set up a first application, once, and show how to search with it."""
    runtime.start()
    runtime.ready.wait()  # the line printed below must work at once
    found = [row for row in runtime.apps.list() if row.name == "demo"]
    app = found[0] if found else runtime.apps.create("demo", SERVICES)[0]
    made = {row.service for row in runtime.registry.list(app.id)}
    for service in SERVICES:
        if service not in made:
            runtime.create_library(app.id, service)
    pictures = sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
    library = runtime.catalogue.library(app.id, _DEMO_SERVICE.name)
    for picture in pictures:
        try:
            library.add(picture.read_bytes(), picture.name, (0, 0))
        except TusouError as error:
            if error.problem is not Problem.ITEM_EXISTS:
                raise
    secret = runtime.apps.secret(app.id)
    grant = runtime.tokens.issue(app.api_key, secret)
    if grant is None:
        raise RuntimeError(f"the keys of application {app.id} do not fit together")
    path = f"{_DEMO_SERVICE.prefix}/search?access_token={grant.access_token}"
    password = _demo_user(runtime)
    click.echo(
        f"\nThe console is at {address}/console\n"
        f"  User        {_DEMO_USER}\n"
        f"  Password    {password}\n\n"
        f"A first application with five libraries ({', '.join(SERVICES)}):\n"
        f"  AppID       {app.id}\n"
        f"  API Key     {app.api_key}\n"
        f"  Secret Key  {secret}\n\n"
        f"{len(library)} example pictures are in its library `{_DEMO_SERVICE.name}`. "
        "Search them from another terminal, in this folder:\n\n"
        f"curl '{address}{path}' "
        f'--data-urlencode "image=$(base64 < {folder / "query" / "cat.jpg"})" -d rn=3\n'
    )


def _demo_user(runtime: Runtime) -> str:
    """Make a first operator, once; the password comes from the key file, so it stays the same."""
    password = runtime.vault.derive("password of the demo user", 12)
    if all(user.name != _DEMO_USER for user in runtime.users.list()):
        runtime.users.add(_DEMO_USER, password, "operator")
    if runtime.users.with_password(_DEMO_USER, password) is None:
        return "(the one you gave it)"
    return password
