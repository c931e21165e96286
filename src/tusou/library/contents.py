"""What a library holds: each change of a picture is made in SQL, and then in the index."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tusou.library.views import Views
from tusou.storage.items import Items, Moved, NewItem, Removed
from tusou.types import ContSign, Features, Picture, Vector
from tusou.vision import keypoints, sketch


class NewPicture(NamedTuple):
    """A picture that is to be added, and what was seen in it."""

    picture: Picture
    features: Features
    vectors: Mapping[str, Vector]
    """By the id of the model pack: the library's, and that to which it is being moved."""


class Contents:
    """The pictures of one library: rows in SQL, and an index over them.

    SQL decides. A change is made there first and then in the index, both under one lock, so that
    the index sees changes in the order in which they became true. Features are computed outside
    the lock.
    """

    def __init__(self, items: Items, views: Views) -> None:
        self._items = items
        self._views = views

    def see(self, picture: Picture) -> NewPicture:
        """See a picture that is to be added, by every pack for which it has to be.

        Raises:
            TusouError: what is wrong with the picture.
        """
        view = self._views.now
        features = view.pipeline.features(picture)
        vectors = {view.model.pack: features.vector} | self._views.see_ahead(picture)
        return NewPicture(picture, features, vectors)

    def add(self, new: NewPicture, brief: str, classes: tuple[int, int], blob: str) -> None:
        """Add a picture whose file has the name `blob`.

        Raises:
            TusouError: ITEM_EXISTS or LIBRARY_FULL.
        """
        item = _new_item(new, brief, classes, blob)
        with self._views.changing() as follow:
            vectors = self._views.wanted(new.vectors, new.picture)
            features = replace(new.features, vector=vectors[self._views.pack])
            try:
                key = self._items.insert(replace(item, vectors=vectors))
            except Moved as moved:  # by another server, since it was seen
                self._views.turn_to(moved.pack)
                vectors = self._views.wanted(vectors, new.picture)
                key = self._items.insert(replace(item, vectors=vectors))
            follow([key], lambda indexes: indexes.add(key, features, classes))

    def delete(self, signs: Sequence[ContSign]) -> list[Removed]:
        """Delete those pictures that are there.

        Raises:
            TusouError: ITEM_MISSING, none of them is there.
        """
        with self._views.changing() as follow:
            removed = self._items.delete(signs)
            keys = [row.id for row in removed]
            follow(keys, lambda indexes: indexes.remove(np.array(keys)))
        return removed

    def update(
        self, sign: ContSign, brief: str | None, classes: tuple[int | None, int | None]
    ) -> None:
        """Change a picture's brief and classes where they are given.

        Raises:
            TusouError: ITEM_MISSING.
        """
        with self._views.changing() as follow:
            key, now = self._items.update(sign, brief, classes)
            row = np.array([now], np.uint16)
            follow([key], lambda indexes: indexes.reclass(np.array([key]), row))

    def reclass(self, signs: Sequence[ContSign], classes: tuple[int | None, int | None]) -> None:
        """Give those pictures that are there other classes, where they are given."""
        with self._views.changing() as follow:
            changed = self._items.reclass(signs, classes)
            if changed:
                keys, rows = list(changed), np.array(list(changed.values()), np.uint16)
                follow(keys, lambda indexes: indexes.reclass(np.array(keys), rows))


def _new_item(new: NewPicture, brief: str, classes: tuple[int, int], blob: str) -> NewItem:
    picture, points, drawn = new.picture, new.features.keypoints, new.features.sketch
    return NewItem(
        sign=picture.sign,
        brief=brief,
        classes=classes,
        blob=blob,
        media_type=picture.media_type,
        length=len(picture.data),
        width=picture.width,
        height=picture.height,
        vectors=new.vectors,
        keypoints=None if points is None else keypoints.pack(points),
        words=new.features.words,
        sketch=None if drawn is None else sketch.pack(drawn),
    )
