"""The one way that tests wait: ask again until the answer is a truthy one, and fail after a while."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

T = TypeVar("T")
SECONDS = 60.0
"""Long: on a busy machine all takes its time, and a wait that succeeds does not last."""
EVERY = 0.05


def _no(answer: object) -> bool:
    return not answer


def wait_for(ask: Callable[[], T | None], what: str = "", *, seconds: float = SECONDS, every: float = EVERY) -> T:
    """The first truthy answer. AssertionError after `seconds`, which says `what` was waited for."""
    tries = Retrying(stop=stop_after_delay(seconds), wait=wait_fixed(every), retry=retry_if_result(_no))
    try:
        return tries(ask)  # type: ignore[return-value]  # None is asked again
    except RetryError as error:
        raise _in_vain(ask, what, seconds) from error


async def eventually(
    ask: Callable[[], Awaitable[T | None]], what: str = "", *, seconds: float = SECONDS, every: float = EVERY
) -> T:
    """`wait_for` without holding up the loop."""
    tries = AsyncRetrying(stop=stop_after_delay(seconds), wait=wait_fixed(every), retry=retry_if_result(_no))

    async def asked() -> T | None:
        return await ask()  # tenacity waits only for what is a coroutine function by its looks

    try:
        return await tries(asked)
    except RetryError as error:
        raise _in_vain(ask, what, seconds) from error


def _in_vain(ask: Callable[[], object], what: str, seconds: float) -> AssertionError:
    return AssertionError(f"waited {seconds:g} s for {what or getattr(ask, '__name__', 'an answer')}")
