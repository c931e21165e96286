"""A model pack from a Hugging Face hub, over its HTTP interface; the only module that knows httpx.

Interface: `GET /api/models/OWNER/REPO/revision/REVISION` lists files and names the commit;
`GET /OWNER/REPO/resolve/COMMIT/FILE` gives a file, often by a redirect.
Source: https://huggingface.co/docs/hub/api
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tusou.vision import packs

SCHEME = "hf:"
_NAME = re.compile(r"hf:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)
_LARGEST_LIST = 16 << 20
_LARGEST_PAPER = 1 << 20
_TIMEOUT = httpx.Timeout(30.0)  # without a byte; a whole model may take hours


def download(source: str, folder: Path, hub_url: str, largest: int) -> None:
    """Download the pack that `source` names into a new folder: its own files and no others.

    Args:
        source: `hf:OWNER/REPO` or `hf:OWNER/REPO@REVISION`.
        folder: Made here.
        hub_url: The hub's address.
        largest: Bytes of all files together.

    Raises:
        ValueError: the name is none, the hub cannot be reached or has no such pack, a file is
            larger than it may be or not what the hub says it is.
    """
    named = _NAME.fullmatch(source)
    if named is None:
        raise ValueError(f"{source} is not {SCHEME}OWNER/REPO or {SCHEME}OWNER/REPO@REVISION")
    folder.mkdir()
    try:
        with httpx.Client(
            base_url=hub_url, timeout=_TIMEOUT, follow_redirects=True, max_redirects=5
        ) as http:
            _Repository(http, named[1], named[2] or "main").save(folder, largest)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise ValueError(f"{source} cannot be had from {hub_url}: {reason}") from error


class _Repository:
    """One repository at one commit, and what its files are said to be."""

    def __init__(self, http: httpx.Client, name: str, revision: str) -> None:
        self._http = http
        self._name = name
        path = f"/api/models/{name}/revision/{quote(revision, safe='')}?blobs=true"
        data = b"".join(self._read(path, _LARGEST_LIST))
        try:
            facts: dict[str, Any] = json.loads(data)
            # The commit and not the branch, which may move on between two files.
            self._commit = str(facts["sha"])
            # Large files are kept by their digest, which is said of them.
            self._digests: dict[str, object] = {
                str(file["rfilename"]): (file.get("lfs") or {}).get("sha256")
                for file in facts["siblings"]
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the hub's list of {name} is not understood: {error!r}") from error

    def save(self, folder: Path, largest: int) -> None:
        """Download description, papers and model."""
        if packs.DESCRIPTION not in self._digests:
            raise ValueError(f"{self._name} is no model pack: it has no {packs.DESCRIPTION}")
        self._save(packs.DESCRIPTION, folder, _LARGEST_PAPER)
        pack = packs.parse(folder, (folder / packs.DESCRIPTION).read_text("utf-8"))
        for name in packs.PAPERS:
            if name in self._digests:
                self._save(name, folder, _LARGEST_PAPER)
        for file in pack.files:
            if file.name not in self._digests:
                raise ValueError(f"{self._name} is no model pack: it has no {file.name}")
        for file in pack.files:
            self._save(file.name, folder, largest)
            largest -= file.stat().st_size

    def _save(self, name: str, folder: Path, most: int) -> None:
        digest = hashlib.sha256()
        with (folder / name).open("xb") as file:
            path = f"/{self._name}/resolve/{quote(self._commit, safe='')}/{quote(name)}"
            for piece in self._read(path, most):
                digest.update(piece)
                file.write(piece)
        if self._digests[name] not in (None, digest.hexdigest()):
            raise ValueError(f"{name} came damaged: its SHA-256 is not the one that the hub says")

    def _read(self, path: str, most: int) -> Iterator[bytes]:
        """The body in pieces; what comes beyond `most` bytes is an error."""
        with self._answer(path) as response:
            for piece in response.iter_bytes(1 << 20):
                most -= len(piece)
                if most < 0:
                    raise ValueError(f"{path} is larger than it may be")
                yield piece

    @contextmanager
    def _answer(self, path: str) -> Iterator[httpx.Response]:
        with self._http.stream("GET", path) as response:
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"{response.url}: {response.status_code} {response.reason_phrase}")
            yield response
