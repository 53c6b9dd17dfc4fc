"""Requests that wait for each other, answered together: a batch costs little more than its slowest request."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Together(Generic[Asked, Answer]):
    """Answers whoever comes first alone, and those who come meanwhile all at once.

    Parameters
    ----------
    work : function
        The answers to some requests, in their order; an exception is the answer to the request that is to have it raised.
    limiter : CapacityLimiter
        Of the threads that the work may take.
    size : function
        Of a request.
    at_once : int
        The size of what is answered together, at most; whatever is larger is answered alone.

    Attributes
    ----------
    waiting : deque
        Requests that nobody has begun on.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Asked]], Sequence[Answer | Exception]],
        *,
        limiter: CapacityLimiter,
        size: Callable[[Asked], int],
        at_once: int,
    ) -> None:
        self.work, self.limiter, self.size, self.at_once = work, limiter, size, at_once
        self.waiting: deque[tuple[Asked, asyncio.Future[Answer]]] = deque()
        self.running: asyncio.Task[None] | None = None

    async def answer(self, asked: Asked) -> Answer:
        """The answer to a request, once it is its turn."""
        heard = asyncio.get_running_loop().create_future()
        self.waiting.append((asked, heard))
        if self.running is None or self.running.done():
            self.running = asyncio.create_task(self._run())
        return await heard

    async def _run(self) -> None:
        while self.waiting:
            taken = self._next()
            answers = await self._answers([asked for asked, _ in taken])
            for (_, heard), answer in zip(taken, answers, strict=True):
                if heard.done():
                    continue
                if isinstance(answer, BaseException):
                    heard.set_exception(answer)
                else:
                    heard.set_result(answer)

    def _next(self) -> list[tuple[Asked, asyncio.Future[Answer]]]:
        """Who is to be answered now: the first, and who came after as long as there is room."""
        taken, room = [self.waiting.popleft()], self.at_once
        while self.waiting and (room := room - self.size(taken[-1][0])) >= self.size(self.waiting[0][0]):
            taken.append(self.waiting.popleft())
        return [(asked, heard) for asked, heard in taken if not heard.done()]  # but for who has hung up

    async def _answers(self, asked: Sequence[Asked]) -> Sequence[Answer | BaseException]:
        """What the work gives; where it fails, each request has a try alone, so that none fails for another's sake."""
        working = asyncio.create_task(run_sync(self.work, asked, limiter=self.limiter))
        await asyncio.wait([working])
        error = working.exception()
        if error is None:
            return working.result()
        if len(asked) == 1:
            return [error]
        return [answer for each in asked for answer in await self._answers([each])]
