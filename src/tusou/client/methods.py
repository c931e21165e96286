"""How a function that makes a call becomes a method of a client, with its parameters and types."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from inspect import Parameter, signature
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, get_args

from tusou.client.call import Call, Paged, following

P = ParamSpec("P")
T = TypeVar("T")
_Method = TypeVar("_Method", bound=Callable[..., Any])


class Blocks(Protocol):
    """Makes calls and waits for them."""

    def run(self, call: Call[T]) -> T:
        """Make a call."""


class Awaits(Protocol):
    """Makes calls that are awaited."""

    async def run(self, call: Call[T]) -> T:
        """Make a call."""


def _like(method: _Method, make: Callable[..., Any], result: object = None) -> _Method:
    """Give a method name, parameters and description of its call, for those who ask for help."""
    plain = signature(make)
    (told,) = get_args(plain.return_annotation)
    this = Parameter("self", Parameter.POSITIONAL_ONLY)
    method.__name__ = make.__name__
    method.__doc__ = make.__doc__
    method.__signature__ = plain.replace(  # type: ignore[attr-defined]
        parameters=[this, *plain.parameters.values()], return_annotation=result or told
    )
    return method


def blocking(make: Callable[P, Call[T]]) -> Callable[Concatenate[Blocks, P], T]:
    """A method of `Client` that makes a call."""

    def method(self: Blocks, /, *args: P.args, **options: P.kwargs) -> T:
        return self.run(make(*args, **options))

    return _like(method, make)


def awaiting(
    make: Callable[P, Call[T]],
) -> Callable[Concatenate[Awaits, P], Coroutine[Any, Any, T]]:
    """A method of `AsyncClient` that makes a call."""

    async def method(self: Awaits, /, *args: P.args, **options: P.kwargs) -> T:
        return await self.run(make(*args, **options))

    return _like(method, make)


def blocking_pages(
    make: Callable[P, Call[Paged[T]]],
) -> Callable[Concatenate[Blocks, P], Iterator[T]]:
    """A method of `Client` that goes through all pages of a list."""

    def method(self: Blocks, /, *args: P.args, **options: P.kwargs) -> Iterator[T]:
        call: Call[Paged[T]] | None = make(*args, **options)
        while call is not None:
            page = self.run(call)
            yield from page
            call = following(call, page)

    return _like(method, make, Iterator[_told_by(make)])  # type: ignore[misc]


def awaiting_pages(
    make: Callable[P, Call[Paged[T]]],
) -> Callable[Concatenate[Awaits, P], AsyncIterator[T]]:
    """A method of `AsyncClient` that goes through all pages of a list."""

    async def method(self: Awaits, /, *args: P.args, **options: P.kwargs) -> AsyncIterator[T]:
        call: Call[Paged[T]] | None = make(*args, **options)
        while call is not None:
            page = await self.run(call)
            for each in page:
                yield each
            call = following(call, page)

    return _like(method, make, AsyncIterator[_told_by(make)])  # type: ignore[misc]


def _told_by(make: Callable[..., Any]) -> Any:
    """What a page that a call brings consists of."""
    (page,) = get_args(signature(make).return_annotation)
    (each,) = get_args(signature(page.__iter__).return_annotation)
    return each
