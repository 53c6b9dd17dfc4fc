"""A year of leads in Salesforce's stand-in."""

import random
from datetime import timedelta

from tests.salesforce_server import BEGIN, Salesforce

END = BEGIN + timedelta(days=300)
CHANCES = {"Referral": 0.85, "Paid": 0.7, "Social": 0.4, "List": 0.1}


def happen(account: Salesforce, *, leads: int = 300) -> None:
    """A year of leads: what they say, what is mended of it, and what becomes of them."""
    draw, steps = random.Random(7), []
    ids: dict[int, str] = {}
    deals: dict[int, str] = {}

    def at(moment, does, *given) -> None:
        steps.append((moment, len(steps), does, given))

    def comes(number, source, size) -> None:
        ids[number] = account.create(
            {"LeadSource": source, "NumberOfEmployees": size, "Company": f"Company {number // 2}"}
        )

    def converts(number) -> None:
        deals[number] = account.convert(ids[number], amount=900.0)

    for number in range(leads):
        came = BEGIN + timedelta(days=300 * number / leads, minutes=draw.randrange(600))
        source, size = draw.choice(list(CHANCES)), draw.randrange(5, 500)
        good = CHANCES[source]
        at(came, comes, number, source, size)
        if draw.random() < 0.3:
            at(came + timedelta(hours=1), lambda n: account.invite(ids[n]), number)
        if draw.random() < good:
            taken = came + timedelta(days=draw.uniform(0.5, 12))
            at(taken, lambda n: account.write(ids[n], {"Status": "Working - Contacted"}), number)
            begun = taken + timedelta(days=draw.uniform(1, 5))
            at(begun, converts, number)
            won = draw.random() < good * (0.3 + size / 700)
            stage = "Closed Won" if won else "Closed Lost"
            ended = begun + timedelta(days=draw.uniform(3, 40))
            at(ended, lambda n, stage: account.stage(deals[n], stage, Amount=1000.0), number, stage)
        elif draw.random() < 0.6:
            turned = came + timedelta(days=draw.uniform(1, 10))
            at(turned, lambda n: account.write(ids[n], {"Status": "Closed - Not Converted"}), number)
        if draw.random() < 0.2:  # mended later, in the light of what became of it
            mended = came + timedelta(days=55)
            at(mended, lambda n, size: account.write(ids[n], {"NumberOfEmployees": size}), number, size + 1)
    for moment, _, does, given in sorted(steps, key=lambda step: step[:2]):
        if moment >= END:
            break
        account.now = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        does(*given)
    account.now = END
