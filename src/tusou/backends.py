"""From settings to engines: where pictures are kept, and where they are found."""

from functools import partial

from tusou.errors import TusouError
from tusou.library.indexing import Indexing, OwnIndexing, SharedIndexing
from tusou.settings import Settings
from tusou.storage.blobs import Blobs, FolderBlobs
from tusou.storage.database import Database
from tusou.vision.shelf import Shelf


def open_blobs(settings: Settings) -> Blobs:
    """The store of pictures that the settings name.

    Raises:
        RuntimeError: its package is not installed, or the setting names no store.
    """
    scheme, found, rest = settings.blobs.partition("://")
    if not found:
        return FolderBlobs(settings.blobs_folder)
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise RuntimeError("the blobs setting must be a folder or s3://BUCKET/PREFIX")
    try:
        from tusou.storage.s3 import S3Blobs
    except ModuleNotFoundError as error:
        raise _lacks("blobs", error) from None
    return S3Blobs(bucket, f"{prefix.rstrip('/')}/" if prefix else "", settings.s3_endpoint)


def open_indexing(settings: Settings, database: Database, shelf: Shelf) -> Indexing:
    """The engine of indexes that the settings name; others are neither loaded nor needed.

    Raises:
        RuntimeError: its package is not installed, it does not answer, or cannot do what is needed.
    """
    from tusou.vision import words

    if not settings.milvus:
        from tusou.index.inverted import InvertedIndex

        return OwnIndexing(database, lambda: InvertedIndex(words.COUNT, words.affinities()))
    try:
        from tusou.index.milvus import Milvus
    except ModuleNotFoundError as error:
        raise _lacks("milvus", error) from None
    try:
        dense = Milvus(settings.milvus, settings.milvus_token)
        sparse = dense
        if settings.milvus_words:
            sparse = Milvus(settings.milvus_words, settings.milvus_token)
    except TusouError as error:
        raise RuntimeError("the Milvus of the milvus setting does not answer") from error
    if not sparse.has_sparse:
        raise RuntimeError(
            "the Milvus of the milvus setting has no sparse vectors, which same_hq and picturebook "
            "need: update it to 2.4 or newer, or name another with TUSOU_MILVUS_WORDS"
        )
    return SharedIndexing(
        database,
        dense.vectors,
        lambda library, clock: sparse.words(words.COUNT, library, clock),
        partial(_dimension, shelf),
    )


def _dimension(shelf: Shelf, pack: str) -> int | None:
    try:
        return shelf.find(pack).dimension
    except ValueError:
        return None


def _lacks(setting: str, error: ModuleNotFoundError) -> RuntimeError:
    return RuntimeError(
        f"the {setting} setting needs the package {error.name}: pip install 'tusou[cluster]'"
    )
