"""`tusou serve`: run the server."""

import logging
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from tusou.cli import command
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings

# Whoever has Python's lock keeps it this long while others want it. At the usual 5 ms, answers that
# cost half a millisecond wait for several times that (`scripts/bench quota_load`).
_SWITCH_SECONDS = 0.0005
_DEMO_SERVICE = SERVICES["similar"]
_DEMO_USER = "demo"


@click.command()
@click.option("--host", help="Address to listen on [TUSOU_HOST, 127.0.0.1].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port [TUSOU_PORT, 8080].")
@click.option(
    "--demo",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Make a first application with five libraries, put this folder's pictures into "
    "`similar`, and print a search to try.",
)
@command
def serve(settings: Settings, host: str | None, port: int | None, demo: Path | None) -> None:
    """Run the server until it is told to stop; requests in flight are finished first."""
    # Here and not above: the other commands must not wait for these to load.
    import uvicorn

    from tusou.web.app import create_app

    settings = replace(
        settings, host=host or settings.host, port=settings.port if port is None else port
    )
    _log_as_json()
    sys.setswitchinterval(_SWITCH_SECONDS)
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, _stop)
    listener = _listen(settings)
    address = _address(settings, listener)
    try:
        runtime = Runtime(settings)
        click.echo(f"tusou is listening on {address}   (try {address}/docs)")
        if demo is not None:
            _demonstrate(runtime, demo, address)
        sys.stdout.flush()
        uvicorn.Server(
            uvicorn.Config(
                create_app(runtime),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # `web.proxies` does that, by its own setting
                timeout_graceful_shutdown=settings.stop_seconds,
            )
        ).run(sockets=[listener])
    finally:
        listener.close()


def _stop(*_: object) -> NoReturn:
    """Being told to stop is no failure; uvicorn raises the signal again when it has stopped.

    Before uvicorn runs nobody waits for an answer, and leaving Python in good order while other
    threads load models can abort or hang.
    """
    os._exit(0)


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything else, so that a taken one is told in one line."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        # Listening begins here, not in uvicorn: two servers may bind one port, not listen on it.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise RuntimeError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}; "
            "choose another with --port or TUSOU_PORT"
        ) from error
    return listener


def _address(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    host = "127.0.0.1" if host in ("0.0.0.0", "[::]") else host  # noqa: S104 - read, not bound
    return f"http://{host}:{listener.getsockname()[1]}"


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
