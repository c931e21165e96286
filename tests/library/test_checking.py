"""Files of pictures lost, damaged or exchanged: named, and nothing else suffers by it."""

import pytest

from support.pictures import encoded, picture, scene
from tusou.accounts.apps import App
from tusou.doctor import stores
from tusou.errors import Problem, TusouError
from tusou.library.reconcile import sweep
from tusou.runtime import Runtime
from tusou.types import Filter

DAMAGES = {
    "gone": (None, "", "the file is gone"),
    "cut off": (picture(1)[:900], "", "the file cannot be read"),
    "of another picture": (picture(9), "", "the file shows another picture"),
    "thumbnail gone": (None, ".thumb", "the thumbnail is gone"),
    "thumbnail cut off": (picture(1)[:900], ".thumb", "the thumbnail is damaged"),
}


def test_damaged_files_are_named_and_searches_do_not_need_them(runtime: Runtime, app: App) -> None:
    service = "same_hq"
    library = runtime.catalogue.library(app.id, service)
    for number, title in enumerate(("whole", *DAMAGES)):
        library.add(picture(number), title, (0, 0))
    own = runtime.catalogue.pictures(app.id, service)
    items = {item.brief: item for item in own.page(Filter(), 99).items}
    assert list(runtime.check_pictures(app.id, service)) == []
    for title, (data, tail, _) in DAMAGES.items():
        name = items[title].blob + tail
        path = runtime.settings.data / "blobs" / name[:2] / name
        path.unlink() if data is None else path.write_bytes(data)

    found = {item.brief: said for item, said in runtime.check_pictures(app.id, service)}
    assert list(found) == list(DAMAGES)
    assert all(found[title].startswith(said) for title, (_, _, said) in DAMAGES.items())
    (told,) = stores.blobs(runtime.settings)
    assert (told.level, told.found.english) == ("warning", "pictures without their files: 2")

    for number, title in enumerate(items):
        copy = encoded(scene(len(items) - 1 - number), "JPEG", quality=70)
        assert [hit.brief for hit in library.search(copy, None, 0, 9).hits] == [title]
    assert own.thumbnail(items["whole"].key).data
    for title, read in (("gone", own.original), ("thumbnail gone", own.thumbnail)):
        with pytest.raises(TusouError) as caught:
            read(items[title].key)
        assert caught.value.problem is Problem.ITEM_MISSING
    library.delete(tuple(item.sign for item in items.values() if item.brief in DAMAGES))
    assert list(runtime.check_pictures(app.id, service)) == []
    assert next(iter(stores.blobs(runtime.settings))).level == "ok"


def test_a_database_that_is_not_this_folders_costs_no_picture(runtime: Runtime, app: App) -> None:
    runtime.catalogue.library(app.id, "similar").add(picture(1), "one", (0, 0))
    kept = {name for name, _ in runtime.blobs.names()}
    with runtime.database.write() as connection:
        for table in ("vectors", "items"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.exec_driver_sql("UPDATE apps SET created = created + 3600")
    assert sweep(runtime.database, runtime.blobs, grace=-1) == 0
    assert {name for name, _ in runtime.blobs.names()} == kept
