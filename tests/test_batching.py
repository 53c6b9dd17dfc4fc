"""Requests that wait are answered together, each by what is its own."""

import asyncio
import threading

import pytest
from anyio import CapacityLimiter

from app.scoring.batching import Together


class Work:
    """Doubles numbers, refuses odd ones and fails on 13; notes what it was asked at once, and waits where it is told."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, numbers):
        self.asked.append(list(numbers))
        self.go_on.wait(10)
        if 13 in numbers:
            raise RuntimeError("13")
        return [ValueError(f"{number} is odd") if number % 2 else 2 * number for number in numbers]


def together(work: Work, *, at_once: int = 100) -> Together:
    return Together(
        work,
        limiter=CapacityLimiter(2),
        size=lambda number: max(1, number // 100),
        at_once=at_once,
    )


def after_the_first(work: Work, numbers, *, meanwhile=lambda waiting: None, **limits):
    """The answers to 0 and to numbers that come while 0 is being answered."""

    async def main():
        asked = together(work, **limits)
        work.go_on.clear()
        first = asyncio.create_task(asked.answer(0))
        while not work.asked:
            await asyncio.sleep(0.001)
        waiting = [asyncio.create_task(asked.answer(number)) for number in numbers]
        await asyncio.sleep(0.01)
        meanwhile(waiting)
        work.go_on.set()
        return await asyncio.gather(first, *waiting, return_exceptions=True)

    return asyncio.run(main())


def test_one_alone_is_answered_at_once_and_who_comes_meanwhile_together():
    work = Work()
    assert after_the_first(work, [2, 4, 6]) == [0, 4, 8, 12]
    assert work.asked == [[0], [2, 4, 6]]


def test_so_much_is_answered_together_as_there_is_room_for_and_what_is_larger_alone():
    work = Work()
    assert after_the_first(work, [200, 100, 100, 900, 2, 4], at_once=3) == [0, 400, 200, 200, 1800, 4, 8]
    assert work.asked == [[0], [200, 100], [100], [900], [2, 4]]


def test_a_refusal_is_that_of_who_is_refused():
    work = Work()
    first, two, three, four = after_the_first(work, [2, 3, 4])
    assert (first, two, four) == (0, 4, 8)
    assert str(three) == "3 is odd"


def test_where_work_fails_for_one_the_others_are_answered_all_the_same():
    work = Work()
    _, two, thirteen, five = after_the_first(work, [2, 13, 5])
    assert (two, str(thirteen), str(five)) == (4, "13", "5 is odd")
    assert work.asked == [[0], [2, 13, 5], [2], [13], [5]]


def test_who_has_hung_up_is_not_waited_for():
    work = Work()
    answers = after_the_first(work, [2, 4], meanwhile=lambda waiting: waiting[0].cancel())
    assert isinstance(answers[1], asyncio.CancelledError)
    assert answers[2] == 8
    assert work.asked == [[0], [4]]


def test_after_all_have_been_answered_the_next_one_is_too():
    async def main():
        asked = together(Work())
        return [await asked.answer(number) for number in (2, 4)]

    assert asyncio.run(main()) == [4, 8]


@pytest.mark.parametrize("number", [3, 13])
def test_what_goes_wrong_is_raised_where_it_was_asked(number):
    async def main():
        await together(Work()).answer(number)

    with pytest.raises((ValueError, RuntimeError), match=str(number)):
        asyncio.run(main())
