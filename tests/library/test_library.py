"""One library: what is acknowledged is there, found at once, and gone at once."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.pictures import encoded, picture, scene
from tusou.accounts.apps import App
from tusou.errors import Problem, TusouError
from tusou.images.decode import decode
from tusou.library.library import Library
from tusou.library.reconcile import sweep
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.settings import Settings
from tusou.storage.items import Items, blob_names, count
from tusou.types import ClassFilter, ClassTerm, ContSign


def _library(runtime: Runtime, app: App, service: str = "similar") -> Library:
    return runtime.catalogue.library(app.id, service)


def _signs(library: Library, data: bytes, classes: ClassFilter | None = None) -> list[ContSign]:
    return [hit.sign for hit in library.search(data, classes, 0, 100).hits]


def _problem(function: object, *arguments: object) -> Problem:
    assert callable(function)
    with pytest.raises(TusouError) as caught:
        function(*arguments)
    return caught.value.problem


@pytest.mark.parametrize("service", SERVICES)
def test_a_picture_is_found_from_its_add_to_its_delete(
    runtime: Runtime, app: App, service: str
) -> None:
    library = _library(runtime, app, service)
    sign = library.add(picture(1), "one", (3, 0))
    other = library.add(picture(2), "two", (4, 0))
    page = library.search(picture(1), None, 0, 10)
    assert (page.hits[0].sign, page.hits[0].score, page.hits[0].brief) == (sign, 1.0, "one")
    assert page.has_more is False
    library.update((sign,), "new", (5, None))
    assert _signs(library, picture(1), ClassFilter((ClassTerm(5, 0),))) == [sign]
    assert _signs(library, picture(1), ClassFilter((ClassTerm(3, None),))) == []
    assert library.search(picture(1), None, 0, 1).hits[0].brief == "new"
    library.delete((sign,))
    assert sign not in _signs(library, picture(1))
    assert _signs(library, picture(2))[0] == other
    assert _problem(library.delete, (sign,)) is Problem.ITEM_MISSING
    assert len(library) == 1


@pytest.mark.parametrize("service", ["same_hq", "picturebook"])
def test_local_services_return_only_what_they_verified(
    runtime: Runtime, app: App, service: str
) -> None:
    library = _library(runtime, app, service)
    sign = library.add(picture(1, 640, 480), "one", (0, 0))
    for seed in range(2, 8):
        library.add(picture(seed, 640, 480), "other", (0, 0))
    crop = encoded(scene(1, 640, 480)[60:420, 80:560], "JPEG", quality=60)
    assert _signs(library, crop) == [sign]
    assert _signs(library, picture(99, 640, 480)) == []


@pytest.mark.parametrize("service", ["same_hq", "picturebook"])
def test_of_pages_with_one_template_the_photographed_one_comes_first(
    runtime: Runtime, app: App, service: str
) -> None:
    library = _library(runtime, app, service)
    template, signs, pages = scene(100, 640, 480), [], []
    for seed in range(12):
        page = template.copy()
        page[150:330, 120:520] = scene(seed, 400, 180)
        pages.append(page)
        signs.append(library.add(encoded(page), f"page {seed}", (0, 0)))
    for seed in (0, 5, 11):
        turn = cv2.getRotationMatrix2D((320, 240), 12, 0.8)
        photo = np.asarray(cv2.warpAffine(pages[seed], turn, (640, 480)), np.uint8)
        photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), 1), np.uint8)
        data = encoded(photo, "JPEG", quality=60)
        (first,) = library.search(data, None, 0, 1).hits
        assert first.sign == signs[seed]


def test_a_plain_picture_is_found_in_the_mirror_and_at_a_stamp_s_size(
    runtime: Runtime, app: App
) -> None:
    library = _library(runtime, app, "same_hq")
    plain = np.full((400, 500, 3), 225, np.uint8)
    cv2.ellipse(plain, (150, 200), (70, 110), 20, 0, 360, (60, 120, 200), -1)
    cv2.ellipse(plain, (360, 260), (60, 40), 0, 0, 360, (200, 80, 60), -1)
    plain = np.asarray(cv2.GaussianBlur(plain, (0, 0), 9), np.uint8)
    sign = library.add(encoded(plain), "plain", (0, 0))
    for seed in range(2, 8):
        library.add(picture(seed, 500, 400), "other", (0, 0))
    stamp = np.asarray(cv2.resize(plain, (64, 51), interpolation=cv2.INTER_AREA), np.uint8)
    flipped = np.ascontiguousarray(plain[:, ::-1])
    for copy in (stamp, flipped):
        assert _signs(library, encoded(copy, "JPEG", quality=70)) == [sign]
    match = library.explain(encoded(flipped), sign)
    assert match is not None
    assert match.mirrored


def test_a_picture_that_shows_hardly_anything_is_refused(runtime: Runtime, app: App) -> None:
    library = _library(runtime, app, "same_hq")
    shade = np.linspace(100, 130, 300, dtype=np.float32)[None, :, None]
    fog = encoded(np.broadcast_to(shade, (200, 300, 3)).astype(np.uint8))
    assert _problem(library.add, fog, "fog", (0, 0)) is Problem.IMAGE_UNUSABLE
    assert _problem(library.search, fog, None, 0, 10) is Problem.IMAGE_UNUSABLE
    assert len(library) == 0


def test_a_match_is_shown_by_its_points_and_where_the_query_lies(
    runtime: Runtime, app: App
) -> None:
    library = _library(runtime, app, "same_hq")
    sign = library.add(picture(1, 640, 480), "one", (0, 0))
    other = library.add(picture(2, 640, 480), "two", (0, 0))
    half = scene(1, 640, 480)[120:360, 100:420][:, ::-1]
    match = library.explain(encoded(np.ascontiguousarray(half)), sign)
    assert match is not None
    assert match.mirrored
    assert match.query_overlap > 0.97
    assert match.stored_overlap == pytest.approx(320 * 240 / (640 * 480), abs=0.02)
    corners = match.homography @ np.array([[0, 0, 1], [319, 239, 1]]).T
    np.testing.assert_allclose((corners[:2] / corners[2]).T, [[419, 120], [100, 359]], atol=3)
    mirrored_x = 419 - match.query_points[:, 0]
    np.testing.assert_allclose(mirrored_x, match.stored_points[:, 0], atol=5)
    assert match.score == library.search(encoded(half), None, 0, 9).hits[0].score
    assert library.explain(encoded(half), other) is None
    assert _problem(library.explain, encoded(half), ContSign(1, 2)) is Problem.ITEM_MISSING


def test_a_service_without_points_says_that_it_has_nothing_to_show(
    runtime: Runtime, app: App
) -> None:
    library = _library(runtime, app, "product")
    sign = library.add(picture(1), "one", (0, 0))
    assert _problem(library.explain, picture(1), sign) is Problem.INVALID_PARAM


def test_a_mirrored_part_pasted_into_another_picture_is_found(runtime: Runtime, app: App) -> None:
    library = _library(runtime, app, "same_hq")
    for seed in range(2, 10):
        library.add(picture(seed, 640, 480), "other", (0, 0))
    sign = library.add(picture(1, 640, 480), "one", (0, 0))
    collage = scene(50, 800, 600)
    collage[200:500, 300:700] = scene(1, 640, 480)[100:400, 500:100:-1]
    assert _signs(library, encoded(collage, "JPEG", quality=85)) == [sign]


def test_pictures_from_before_there_were_words_are_found_by_them(
    runtime: Runtime, app: App, tmp_path: Path
) -> None:
    library = _library(runtime, app, "same_hq")
    sign = library.add(picture(1, 640, 480), "one", (0, 0))
    with runtime.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM words")
    runtime.close()
    again = Runtime(Settings.load({}, data=tmp_path / "data"))
    try:
        library = _library(again, app, "same_hq")
        assert library.view.indexes.words is not None
        assert len(library.view.indexes.words) == 1
        crop = encoded(scene(1, 640, 480)[60:420, 80:560], "JPEG", quality=60)
        assert _signs(library, crop) == [sign]
    finally:
        again.close()


def test_the_very_same_picture_leads_even_where_it_has_no_keypoints(
    runtime: Runtime, app: App
) -> None:
    library = _library(runtime, app, "same_hq")
    plain = np.full((80, 80, 3), 200, np.uint8)
    plain[:, 40:] = 190
    sign = library.add(encoded(plain), "plain", (0, 0))
    page = library.search(encoded(plain, "BMP"), None, 0, 10)
    assert [(hit.sign, hit.score) for hit in page.hits] == [(sign, 1.0)]


def test_everything_is_there_after_a_restart(runtime: Runtime, app: App, tmp_path: Path) -> None:
    library = _library(runtime, app)
    signs = {library.add(picture(seed), str(seed), (seed, 0)) for seed in range(1, 6)}
    gone = library.add(picture(9), "gone", (0, 0))
    library.delete((gone,))
    before = library.search(picture(3), None, 0, 10).hits
    runtime.close()
    again = Runtime(Settings.load({}, data=tmp_path / "data"))
    try:
        after = _library(again, app).search(picture(3), None, 0, 10).hits
    finally:
        again.close()
    assert {hit.sign for hit in after} == signs
    assert [hit.sign for hit in after] == [hit.sign for hit in before]
    np.testing.assert_allclose([h.score for h in after], [h.score for h in before], atol=2e-3)


def test_of_many_adds_of_one_picture_one_wins_and_leaves_no_file_behind(
    runtime: Runtime, app: App
) -> None:
    library = _library(runtime, app, "same_hq")
    outcomes: list[object] = []

    def add() -> None:
        try:
            outcomes.append(library.add(picture(1), "one", (0, 0)))
        except TusouError as error:
            outcomes.append(error.problem)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Problem.ITEM_EXISTS) == 7
    assert len(library) == 1
    files = {name.partition(".")[0] for name, _ in runtime.blobs.names()}
    assert files == blob_names(runtime.database)


def test_adds_and_deletes_of_one_picture_leave_index_and_rows_equal(
    runtime: Runtime, app: App
) -> None:
    library = _library(runtime, app)
    sign = decode(picture(1), SERVICES["similar"]).sign
    problems = set[Problem]()

    def churn(add: bool) -> None:
        for _ in range(15):
            try:
                if add:
                    library.add(picture(1), "one", (0, 0))
                else:
                    library.delete((sign,))
            except TusouError as error:
                problems.add(error.problem)

    threads = [threading.Thread(target=churn, args=(number % 2 == 0,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems <= {Problem.ITEM_EXISTS, Problem.ITEM_MISSING}
    row = runtime.registry.get(app.id, "similar")
    rows = count(runtime.database, row.id)
    assert len(library) == row.size == rows
    assert _signs(library, picture(1)) == [sign] * rows
    files = {name.partition(".")[0] for name, _ in runtime.blobs.names()}
    assert files == blob_names(runtime.database)


def test_an_add_that_fails_in_the_database_leaves_nothing(
    runtime: Runtime, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = _library(runtime, app)

    def fail(self: Items, item: object) -> int:
        raise TusouError(Problem.UNAVAILABLE)

    monkeypatch.setattr(Items, "insert", fail)
    assert _problem(library.add, picture(1), "one", (0, 0)) is Problem.UNAVAILABLE
    assert list(runtime.blobs.names()) == []
    assert _signs(library, picture(1)) == []


def test_an_index_that_cannot_follow_is_made_anew(
    runtime: Runtime, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = _library(runtime, app)
    indexes = library.view.indexes

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(indexes.vectors, "add", fail)
    sign = library.add(picture(1), "one", (0, 0))
    assert library.view.indexes is not indexes
    assert _signs(library, picture(1)) == [sign]


def test_pages_follow_each_other_without_gap_or_repeat(runtime: Runtime, app: App) -> None:
    library = _library(runtime, app)
    for seed in range(1, 8):
        library.add(picture(seed), str(seed), (0, 0))
    whole = library.search(picture(20), None, 0, 100)
    pages = [library.search(picture(20), None, first, 3) for first in (0, 3, 6)]
    assert [hit.sign for page in pages for hit in page.hits] == [hit.sign for hit in whole.hits]
    assert [page.has_more for page in pages] == [True, True, False]
    scores = [hit.score for hit in whole.hits]
    assert scores == sorted(scores, reverse=True)
    assert library.search(picture(20), None, 50, 10).hits == []


def test_pictures_need_not_be_kept(tmp_path: Path) -> None:
    runtime = Runtime(Settings.load({}, data=tmp_path / "lean", store_originals=False))
    try:
        app, _ = runtime.apps.create("test", ["similar"])
        runtime.create_library(app.id, "similar")
        sign = _library(runtime, app).add(picture(1), "one", (0, 0))
        assert _signs(_library(runtime, app), picture(1)) == [sign]
        assert list(runtime.blobs.names()) == []
        _library(runtime, app).delete((sign,))
    finally:
        runtime.close()


def test_a_flat_picture_is_refused(runtime: Runtime, app: App) -> None:
    library = _library(runtime, app)
    flat = encoded(np.full((60, 60, 3), 7, np.uint8))
    assert _problem(library.add, flat, "flat", (0, 0)) is Problem.IMAGE_UNUSABLE
    assert _problem(library.search, flat, None, 0, 1) is Problem.IMAGE_UNUSABLE


def test_a_library_of_another_model_is_not_searched(runtime: Runtime, app: App) -> None:
    with runtime.database.write() as connection:
        connection.exec_driver_sql("UPDATE libraries SET pack = 'other@1'")
    with pytest.raises(TusouError) as caught:
        _library(runtime, app)
    assert caught.value.problem is Problem.UNAVAILABLE
    assert "other@1" in caught.value.message


def test_files_that_a_crash_left_are_swept_up_and_no_others(runtime: Runtime, app: App) -> None:
    library = _library(runtime, app)
    library.add(picture(1), "one", (0, 0))
    kept = {name for name, _ in runtime.blobs.names()}
    runtime.blobs.put("0" * 32, b"orphan")
    runtime.blobs.put("0" * 32 + ".thumb", b"orphan")
    cut_off = runtime.settings.data / "blobs" / "00" / f"{'0' * 32}.thumb.77.part"
    cut_off.write_bytes(b"orph")
    assert sweep(runtime.database, runtime.blobs) == 0  # too young to tell
    assert sweep(runtime.database, runtime.blobs, grace=-1) == 3
    assert {name for name, _ in runtime.blobs.names()} == kept


def test_a_second_server_on_the_folder_is_refused_in_plain_words(
    runtime: Runtime, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="another tusou server"):
        Runtime(Settings.load({}, data=tmp_path / "data"))
