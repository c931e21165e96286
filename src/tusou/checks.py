"""Whether what the settings name works: models, key file, pictures, indexes."""

from contextlib import closing
from typing import TYPE_CHECKING

from tusou.accounts.apps import Apps
from tusou.accounts.secrets import Vault
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.batches import Batches
from tusou.storage.blobs import new_name
from tusou.storage.capacity import Request as Request  # for those who show them
from tusou.storage.database import Database
from tusou.storage.items import first_app
from tusou.tasks.files import Files
from tusou.vision.shelf import Shelf

if TYPE_CHECKING:
    pass


def check_models(settings: Settings) -> list[str]:
    """Load the packs of new libraries and let each see a picture; returns their ids.

    Raises:
        ValueError: there is no such pack.
        TusouError: one does not load, or does not run.
    """
    from tusou.vision.embed import Embedder

    shelf = Shelf(settings.packs_folder)
    names = dict.fromkeys(settings.pack or service.pack for service in SERVICES.values())
    found = [shelf.find(name) for name in names]
    for pack in found:
        with Embedder(pack, provider=settings.provider) as embedder:
            embedder.try_out()
    return [pack.id for pack in found]


def check_key_file(settings: Settings) -> None:
    """Pass where the key file fits the applications of the database, which is of this version.

    Raises:
        RuntimeError: it does not, or there are applications and no key file.
    """
    path = settings.data / "secret.key"
    with closing(Database(settings.database_url)) as database:
        if path.exists():
            Apps(database, Vault(path)).check_key_file()
        elif first_app(database) is not None:
            raise RuntimeError(f"{path} is missing: put the one back that the database came with")


def check_blobs(settings: Settings) -> None:
    """Write a picture's bytes to the store, read them again, and delete them.

    Raises:
        TusouError: UNAVAILABLE; OSError or RuntimeError: what was wrong.
    """
    from tusou.backends import open_blobs

    blobs, name, data = open_blobs(settings), new_name(), b"tusou doctor"
    with closing(blobs):
        blobs.put(name, data)
        try:
            if blobs.get(name) != data:
                raise RuntimeError("what was read is not what was written")
        finally:
            blobs.delete(name)


def check_indexing(settings: Settings) -> None:
    """Speak to the engine of indexes that the settings name.

    Raises:
        RuntimeError: what was wrong.
    """
    from tusou.backends import open_indexing

    with closing(Database(settings.database_url)) as database:
        open_indexing(settings, database, Shelf(settings.packs_folder))


def count_missing_task_files(settings: Settings) -> int:
    """How many imports and exports lack their file in this server's folder of tasks.

    Raises:
        TusouError: UNAVAILABLE; RuntimeError or ValueError: the database does not open.
    """
    with closing(Database(settings.database_url)) as database:
        if database.state() != "current":
            return 0
        files = Files(settings.data / "tasks")
        return len(files.missing(Batches(database).with_files()))


def count_lost_files(settings: Settings) -> int:
    """How many pictures have lost their file; the database is of this version.

    Raises:
        TusouError: UNAVAILABLE; OSError: the store cannot be read.
    """
    from tusou.backends import open_blobs
    from tusou.library.checking import without_files

    with (
        closing(Database(settings.database_url)) as database,
        closing(open_blobs(settings)) as blobs,
    ):
        return without_files(database, blobs)
