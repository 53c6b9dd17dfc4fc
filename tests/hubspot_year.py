"""A year of leads in an account of HubSpot's stand-in."""

import random
from datetime import timedelta

from tests.hubspot_server import BEGIN, HubSpot

END = BEGIN + timedelta(days=300)
SOURCES = ("OFFLINE", "PAID_SEARCH", "REFERRALS", "SOCIAL_MEDIA")


def happen(account: HubSpot, *, leads: int = 300) -> None:
    """A year of leads: what they say, what is mended of it, and what becomes of them."""
    draw, steps, ids = random.Random(7), [], {}
    for number in range(leads):
        came = BEGIN + timedelta(days=300 * number / leads, minutes=draw.randrange(600))
        source, size = draw.choice(SOURCES), draw.randrange(5, 500)
        good = {"REFERRALS": 0.85, "PAID_SEARCH": 0.7, "SOCIAL_MEDIA": 0.4, "OFFLINE": 0.1}[source]
        said = {
            "hs_analytics_source": source,
            "numemployees": str(size),
            "lifecyclestage": "marketingqualifiedlead",
        }
        steps.append((came, len(steps), number, "create", said))
        if draw.random() < good:
            taken = came + timedelta(days=draw.uniform(0.5, 12))
            steps.append(
                (
                    taken,
                    len(steps),
                    number,
                    "say",
                    {"lifecyclestage": "salesqualifiedlead", "hubspot_owner_id": "7"},
                )
            )
            begun = taken + timedelta(days=draw.uniform(1, 5))
            steps.append((begun, len(steps), number, "deal", {"dealstage": "decide", "amount": "900"}))
            ended = begun + timedelta(days=draw.uniform(3, 40))
            won = draw.random() < good * (0.3 + size / 700)
            steps.append((ended, len(steps), number, "close", "closedwon" if won else "4711"))
        elif draw.random() < 0.6:
            turned = came + timedelta(days=draw.uniform(1, 10))
            steps.append((turned, len(steps), number, "say", {"hs_lead_status": "UNQUALIFIED"}))
        if draw.random() < 0.2:  # mended later, in the light of what became of it
            steps.append(
                (came + timedelta(days=55), len(steps), number, "say", {"numemployees": str(size + 1)})
            )
    deals = {}
    for moment, _, number, what, said in sorted(steps, key=lambda step: step[:2]):
        if moment >= END:
            break
        account.now = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        if what == "create":
            ids[number] = account.create("contacts", said)
        elif what == "say":
            account.write("contacts", ids[number], said)
        elif what == "deal":
            deals[number] = account.create("deals", said, contact=ids[number])
        else:
            account.write(
                "deals", deals[number], {"dealstage": said, "closed_lost_reason": "price", "amount": "1000"}
            )
            if said == "closedwon":
                account.write("contacts", ids[number], {"lifecyclestage": "customer"})
    account.now = END
