"""What is told of a task, to those who ask and to those who are called back."""

from collections.abc import Mapping
from typing import Any

from tusou.library.pictures import moment
from tusou.storage.batches import Batch

_KINDS = {"reclass": "retag"}
_STATES = {"undone": "canceled"}


def task(batch: Batch) -> Mapping[str, Any]:
    """A task as JSON tells it."""
    return {
        "id": batch.id,
        "kind": _KINDS.get(batch.act, batch.act),
        "state": _STATES.get(batch.state, batch.state),
        "done": batch.done,
        "total": max(batch.total, batch.done),
        "failed": batch.failed,
        "problem": batch.problem or None,
        "asked": moment(batch.asked),
        "began": None if batch.began is None else moment(batch.began),
        "ended": None if batch.ended is None else moment(batch.ended),
        "has_file": batch.act == "export" and batch.state == "done",
    }
