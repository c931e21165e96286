"""What is found wrong with a picture before it is sent, as the vendor's clients find it."""

import os
from pathlib import Path

from tusou.errors import LocalProblem, TusouError
from tusou.images import containers
from tusou.services import Service

MOST_BYTES = 4 << 20
"""Of the base64 text. Source: shared contract, section 1."""

Image = bytes | os.PathLike[str]
"""A picture: its file's bytes, or where the file is."""


class Refused(Exception):
    """A picture that is not worth sending."""

    def __init__(self, problem: LocalProblem) -> None:
        super().__init__(problem.name)
        self.problem = problem


def read(image: Image) -> bytes:
    """The bytes of a picture.

    Raises:
        Refused: UNREADABLE.
    """
    if not isinstance(image, os.PathLike):
        return image
    try:
        return Path(image).read_bytes()
    except OSError as error:
        raise Refused(LocalProblem.UNREADABLE) from error


def check(data: bytes, service: Service) -> None:
    """Pass if a service would take a picture, as far as its header tells.

    Raises:
        Refused: TOO_LARGE, FORMAT or SIDES.
    """
    if -(-len(data) // 3) * 4 > MOST_BYTES:
        raise Refused(LocalProblem.TOO_LARGE)
    try:
        width, height = containers.read(data).seen_size
    except TusouError as error:
        raise Refused(LocalProblem.FORMAT) from error
    short, long = sorted((width, height))
    aspect = service.largest_aspect
    fits = service.shortest_side <= short and long <= service.longest_side
    if not fits or (aspect is not None and long > aspect * short):
        raise Refused(LocalProblem.SIDES)
