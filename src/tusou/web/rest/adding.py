"""How imports add pictures: as calls of the application would, charged and counted alike."""

from collections.abc import Callable, Mapping

from tusou.errors import Problem, TusouError
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.web import bodies, inputs
from tusou.web.callers import charge

Add = Callable[[Mapping[str, bytes | str]], object]


def adder(runtime: Runtime) -> Callable[[int, str], Add]:
    """Gives what adds pictures to an application's library of a service."""

    def make(app_id: int, name: str) -> Add:
        def add(fields: Mapping[str, bytes | str]) -> object:
            code = None
            try:
                return _add(runtime, app_id, name, fields)
            except TusouError as error:
                code = error.problem.code
                raise
            except Exception:
                code = Problem.UNKNOWN.code
                raise
            finally:
                runtime.usage.record(app_id, name, "add", code)

        return add

    return make


def _add(runtime: Runtime, app_id: int, name: str, sent: Mapping[str, bytes | str]) -> object:
    app, fields = runtime.apps.get(app_id), bodies.fields_of(sent)
    if not app.enabled:
        raise TusouError(Problem.APP_GONE, f"application {app_id} is disabled")
    charge(runtime, app, name, "add")
    brief = inputs.required_brief(fields)
    first, second = inputs.classes(fields, SERVICES[name])
    library = runtime.catalogue.library(app_id, name)
    return library.add(inputs.picture(fields), brief, (first or 0, second or 0))
