"""What a call passes before its body is read: who calls, whether it may, its quota."""

from starlette.requests import Request

from tusou.accounts.apps import App
from tusou.accounts.quotas import QUOTA_PROBLEMS, Call
from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.web.callers import Refused, caller, charge
from tusou.web.queue import Queue


class Entrance:
    """Lets applications in by token or signature, and counts their calls."""

    def __init__(self, runtime: Runtime, queue: Queue) -> None:
        self._runtime = runtime
        self._queue = queue
        self._refused = Refused()

    async def let_in(self, request: Request, charged: tuple[str, str] | None) -> App:
        """Who calls, where the service is theirs, is open, and its quota is not used up.

        Args:
            request: Gets the application into its note.
            charged: Service and operation; None: a call that is free.

        Raises:
            TusouError: what `callers.caller` and `callers.charge` raise; UNAVAILABLE.
        """
        runtime = self._runtime
        sender = self._refused.sender(request)
        if charged and sender is not None:
            request.state.note["app_id"] = sender
            runtime.quotas.repeat(Call(sender, *charged))

        def look_up() -> App:
            app = caller(runtime, request)
            request.state.note["app_id"] = app.id
            if not runtime.ready.is_set():
                raise TusouError(Problem.UNAVAILABLE, "the server is starting")
            if charged:
                charge(runtime, app, *charged)
            return app

        try:
            return await self._queue.look_up(look_up)
        except TusouError as error:
            if error.problem in QUOTA_PROBLEMS:
                self._refused.note(request, request.state.note["app_id"])
            raise

    def count(self, request: Request, service: str, operation: str) -> None:
        """Count a call that has its answer, where it is known whose it is."""
        request.state.call = service, operation  # for those who watch
        note = request.state.note
        if "app_id" in note:
            self._runtime.usage.record(note["app_id"], service, operation, note.get("error_code"))
