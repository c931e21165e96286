"""The `tusou` command."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from tusou import __version__
from tusou.errors import TusouError
from tusou.settings import Settings

_DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the database and the pictures [TUSOU_DATA, ./data].",
)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--data`, turn it and the environment into `settings`, tell errors plainly."""

    @_DATA
    @wraps(function)
    def run(data: Path | None, **options: Any) -> None:
        try:
            function(Settings.load(data=data), **options)
        except TusouError as error:
            raise click.ClickException(error.message) from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error
        except (ValueError, RuntimeError) as error:
            raise click.ClickException(str(error)) from error

    return run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tusou")
def main() -> None:
    """tusou (图搜): an image-search server anyone can run.

    Settings come from options, then from TUSOU_... environment variables (see docs/settings.md).
    """


def _register() -> None:
    # Here, because each command module imports `command` from this one.
    from tusou.cli import quota  # noqa: F401 - adds its commands to `app`
    from tusou.cli.account import account
    from tusou.cli.app import app
    from tusou.cli.audit import audit
    from tusou.cli.backup import backup, restore
    from tusou.cli.bill import bill, usage
    from tusou.cli.bundle import bundle
    from tusou.cli.doctor import doctor
    from tusou.cli.duplicates import duplicates
    from tusou.cli.eval import eval_
    from tusou.cli.exporting import export
    from tusou.cli.importing import import_
    from tusou.cli.library import library
    from tusou.cli.model import model
    from tusou.cli.package import package, qps
    from tusou.cli.plan import plan
    from tusou.cli.search import search
    from tusou.cli.serve import serve
    from tusou.cli.top import top
    from tusou.cli.transfer import transfer_
    from tusou.cli.user import user

    entries = (
        serve,
        top,
        doctor,
        bundle,
        app,
        plan,
        library,
        duplicates,
        import_,
        backup,
        restore,
        export,
        search,
        transfer_,
        model,
        eval_,
        account,
        package,
        qps,
        usage,
        bill,
        audit,
        user,
    )
    for entry in entries:
        main.add_command(entry)


_register()
