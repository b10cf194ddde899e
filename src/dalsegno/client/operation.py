"""What makes one description of a call a method of both clients: one that is called and one that is awaited."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from dalsegno.client.calls import Call, Pages

P = ParamSpec("P")
T = TypeVar("T")


class SyncSender(Protocol):
    """Sends calls, and waits for what is answered."""

    def send(self, call: Call[T]) -> T: ...
    def walk(self, pages: Pages[T]) -> Iterator[T]: ...


class AsyncSender(Protocol):
    """Sends calls; what is answered is awaited."""

    def send(self, call: Call[T]) -> Awaitable[T]: ...
    def walk(self, pages: Pages[T]) -> AsyncIterator[T]: ...


class operation(Generic[P, T]):
    """Makes a method that describes a call one that has it answered."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Call[T]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: SyncSender, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self

        @functools.wraps(self.describe)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.send(self.describe(client, *args, **kwargs))

        return method


class listing(Generic[P, T]):
    """Makes a method that describes the pages of a list one that iterates over what is on them."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Pages[T]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Self: ...
    @overload
    def __get__(self, client: SyncSender, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: AsyncSender, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self

        @functools.wraps(self.describe)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.walk(self.describe(client, *args, **kwargs))

        return method
