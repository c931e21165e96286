"""Bodies too long for memory, which go to a file as they come."""

from pathlib import Path

import anyio
from starlette.requests import ClientDisconnect, Request

from tusou.errors import Problem, TusouError
from tusou.stages import timed
from tusou.web.bodies import BODY_LIMIT, BODY_SECONDS


async def save(request: Request, path: Path, most: int) -> None:
    """Write a request's body to a file; nothing is left of one that is refused.

    However long it may be, it has to keep coming: a sender that falls asleep holds its place no
    longer than one that sends a picture.

    Raises:
        TusouError: IMAGE_SIZE, it has more than `most` bytes; INVALID_PARAM, it is empty, was
            called off or comes too slowly.
    """
    try:
        with timed("read"):
            size = await _write(request, path, most)
        if not size:
            raise TusouError(Problem.INVALID_PARAM, "the body is empty")
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, ClientDisconnect):
            reason = "the client went away while sending"
        elif isinstance(error, TimeoutError):
            reason = f"the body came to a halt: over {BODY_SECONDS} seconds for {BODY_LIMIT} bytes"
        else:
            raise
        raise TusouError(Problem.INVALID_PARAM, reason) from None


async def _write(request: Request, path: Path, most: int) -> int:
    size = 0
    async with await anyio.open_file(path, "wb") as file:
        with anyio.fail_after(BODY_SECONDS) as patience:
            async for part in request.stream():
                if (size + len(part)) // BODY_LIMIT > size // BODY_LIMIT:
                    patience.deadline = anyio.current_time() + BODY_SECONDS
                size += len(part)
                if size > most:
                    raise TusouError(Problem.IMAGE_SIZE, f"a file has at most {most} bytes")
                await file.write(part)
    return size
