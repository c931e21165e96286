"""Whether two stored pictures show the same, whatever their service searches by.

An embedding says which pictures are worth a look. What decides is what they show in the same
places: keypoints, or a sketch of the whole where there are too few. Services that keep no keypoints
have them taken from the files. Where those were not kept either, nothing is said: embeddings that
are alike enough to be right are hardly any (`benchmarks/duplicates.py --embedding`).
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tusou.errors import TusouError
from tusou.images.decode import decode, pixels
from tusou.library.models import View
from tusou.services import Service
from tusou.storage.blobs import THUMBNAIL, Blobs
from tusou.storage.duplicates import Pairs, Seen
from tusou.types import Features, Keypoints, Match, Rgb, Sketch
from tusou.vision import geometry, keypoints, sketch
from tusou.vision.alignment import Agreement, agreement

LEAST_CERTAINTY = 0.5
"""See `certainty`."""
LEAST_SCORE = 0.99
"""Of a verified match, where there are no files to look at. A search shows what is as likely as not
the same; what somebody may delete must be surer."""
LEAST_CORNERS = 0.6
"""See `Agreement.corners`: pictures that agree less have a frame in common."""
MOST_DIFFERING = 0.005
"""See `Agreement.differing`: of 98 of 100 copies that nothing was written over, a thousandth
differs at most. A path through the same grass, another face in the same wall do more, ..."""
LETTERING = 65.0
"""... and so do lettering and logos, which stand out by so many levels: they are meant to be read.
What belongs to a picture has its tones."""
SMALL = 256
"""Pictures whose shorter side has fewer pixels are those in which a part makes another picture:
tiles, icons, swatches. In larger ones a mark is passed over, however faint."""
NOTHING = 0.0002
"""So little differs in nineteen of twenty copies that nothing was written over."""
LEAST_SHARE = 0.8
"""Of the one picture, that the other must show: pictures that share a part are not the same."""
MOST = 200
"""Candidates of one picture at most."""
_PORTION = 8
"""Candidates that are looked at before they must have brought something."""
_COMPLETED = 100
"""Matches of matches that are looked at besides."""
_REMEMBERED = 2000
"""Pictures whose keypoints are remembered, 16 KiB each."""


class Local(NamedTuple):
    """What two pictures are compared by."""

    points: Keypoints
    sketch: Sketch | None
    blob: str
    """Name of the file, of which there is a thumbnail; empty: not kept."""


class Comparison:
    """Compares pictures of one library with all others.

    Args:
        service: The library's.
        view: What it is seen by.
        pairs: What is stored of its pictures.
        blobs: Where their files are.
    """

    def __init__(self, service: Service, view: View, pairs: Pairs, blobs: Blobs) -> None:
        self._service = service
        self.view = view
        self._pairs = pairs
        self._blobs = blobs
        self._taken = OrderedDict[int, tuple[bytes, bytes] | None]()

    def same_as(self, key: int) -> dict[int, float]:
        """The pictures that show the same as one, each with how sure that is, 0–1.

        Those that match a match are looked at too: without them a group would fall apart where its
        best picture is one that its copies did not find.
        """
        found: dict[int, float] = {}
        for own in self._pairs.seen([key], self.view.model.pack):  # none: it is gone
            found = self._same_as(own)
        return found

    def _same_as(self, own: Seen) -> dict[int, float]:
        local = self._local(own)
        if local is None:
            return {}
        features = Features(own.vector, local.points, own.words, local.sketch)
        candidates = [
            key
            for key in self.view.pipeline.candidates(features, self.view.indexes, MOST)
            if key != own.key
        ]
        found: dict[int, float] = {}
        for start in range(0, len(candidates), _PORTION):
            brought = self._look_at(candidates[start : start + _PORTION], local)
            found |= brought
            if not brought:
                break
        looked_at = {own.key, *candidates[: start + _PORTION]} if candidates else {own.key}
        near = {key for both in self._pairs.same_as(found) for key in both} - looked_at
        return found | self._look_at(sorted(near)[:_COMPLETED], local)

    def _look_at(self, keys: Sequence[int], own: Local) -> dict[int, float]:
        seen = self._pairs.seen(keys, self.view.model.pack)
        others = {each.key: local for each in seen if (local := self._local(each))}
        matches = geometry.verify_many(own.points, [other.points for other in others.values()])
        found = {
            key: self._certainty(own, other, match or _match_whole(own, other))
            for (key, other), match in zip(others.items(), matches, strict=True)
        }
        return {key: sure for key, sure in found.items() if sure}

    def _certainty(self, one: Local, other: Local, match: Match | None) -> float:
        """How sure it is that two pictures show the same, 0 where it is not sure enough."""
        if match is None or max(match.query_overlap, match.stored_overlap) < LEAST_SHARE:
            return 0.0
        try:
            seen = tuple(pixels(self._blobs.get(each.blob + THUMBNAIL)) for each in (one, other))
        except KeyError:
            return match.score if match.score >= LEAST_SCORE else 0.0
        sure = likeness(match, seen, (one.points.size, other.points.size))
        return sure if sure >= LEAST_CERTAINTY else 0.0

    def _local(self, seen: Seen) -> Local | None:
        """Keypoints and sketch: stored, or taken from the file; None where it was not kept."""
        if seen.keypoints is not None:
            drawn = None if seen.sketch is None else sketch.unpack(seen.sketch)
            return Local(keypoints.unpack(seen.keypoints), drawn, seen.blob)
        if seen.key not in self._taken:
            self._taken[seen.key] = self._take(seen.blob)
            if len(self._taken) > _REMEMBERED:
                self._taken.popitem(last=False)
        packed = self._taken[seen.key]
        return packed and Local(keypoints.unpack(packed[0]), sketch.unpack(packed[1]), seen.blob)

    def _take(self, blob: str) -> tuple[bytes, bytes] | None:
        try:
            rgb = decode(self._blobs.get(blob), self._service).rgb
        except (KeyError, TusouError):
            return None
        return keypoints.pack(keypoints.extract(rgb)), sketch.pack(sketch.draw(rgb))


def _match_whole(one: Local, other: Local) -> Match | None:
    if one.sketch is None or other.sketch is None:
        return None
    if not sketch.are_needed(one.points, other.points):
        return None
    return sketch.match(one.sketch, other.sketch, one.points.size, other.points.size)


def likeness(match: Match, seen: Sequence[Rgb], sizes: Sequence[tuple[int, int]]) -> float:
    """The probability that two matching pictures are the same, by what they show.

    The picture that shows more is laid on the other one, and then that on it: what one has beyond
    the edge of the other is seen only so.

    Args:
        match: Of the first with the second.
        seen: The two, in any resolution.
        sizes: Their full widths and heights in pixels.
    """
    back = np.asarray(np.linalg.inv(match.homography), np.float64)
    ways = [
        (seen[0], seen[1], match.homography, sizes[0], sizes[1]),
        (seen[1], seen[0], back, sizes[1], sizes[0]),
    ]
    if match.stored_overlap < match.query_overlap:
        ways.reverse()
    agreed = agreement(*ways[0])
    sure = 0.0 if agreed is None else certainty(match.score, agreed)
    if sure < LEAST_CERTAINTY or min(map(min, sizes)) >= SMALL:
        return sure
    others = [each for each in (agreed, agreement(*ways[1])) if each is not None]
    return 0.0 if any(map(shows_another_thing, others)) else sure


def shows_another_thing(agreed: Agreement) -> bool:
    """Whether a part of the pictures differs, and not by what was stamped over one of them."""
    return agreed.differing > MOST_DIFFERING and agreed.contrast < LETTERING


def certainty(score: float, agreed: Agreement) -> float:
    """The probability that two pictures are the same, by keypoints and by what lies between them.

    The form is that of a logistic fit to 433 pairs of copies and to 299 pairs of other goods,
    clothes and covers that keypoints alone take for the same (docs/accuracy.md). What was written
    over a copy disagrees where it is strongest, at its edges; goods photographed alike agree there,
    in their outlines, and disagree in what is faint: so edges count against the rest. That nothing
    differs anywhere counts for 3, which brought copies and no other pairs in draws 0 and 1.
    """
    if agreed.corners < LEAST_CORNERS:
        return 0.0
    odds = min(math.log(score / (1 - score + 1e-6)), 10) - 34.5
    odds += 35 * agreed.structure - 26 * agreed.edges + 26 * agreed.colour
    odds += 3 * (agreed.differing < NOTHING)
    return 1 / (1 + math.exp(-odds))
