"""The people of a made-up market: when they come, from where, and who they are."""

from dataclasses import dataclass

import numpy as np

GROWTH_PER_YEAR = 0.35  # leads per day double in two years
PAID_SHARE = (0.20, 0.40)  # at the start and at the end
REPS = 12
CAMPAIGNS_PER_CHANNEL = 8
CHANNELS = ("paid_search", "paid_social", "organic", "referral", "partner", "event")
PAID_CHANNELS = 2  # the first two cost money
UNPAID_SHARES = (0.45, 0.15, 0.20, 0.20)
UNPAID_EFFECTS = (0.0, 0.5, 0.2, 0.1)

COUNTRIES = {
    "DE": 0.1,
    "US": 0.15,
    "FR": 0.0,
    "GB": 0.1,
    "NL": 0.05,
    "ES": -0.1,
    "IT": -0.1,
    "PL": -0.05,
    "IN": -0.3,
    "BR": -0.2,
}
INDUSTRIES = {
    "software": 0.35,
    "manufacturing": 0.2,
    "finance": 0.15,
    "health": 0.05,
    "logistics": 0.1,
    "media": -0.05,
    "retail": -0.15,
    "education": -0.4,
    "public": -0.35,
    "hospitality": -0.3,
}
TITLES = {
    "CEO": 0.5,
    "Founder": 0.3,
    "CTO": 0.5,
    "CMO": 0.7,
    "VP Sales": 0.7,
    "VP Marketing": 0.8,
    "Head of Marketing": 0.7,
    "Head of Sales": 0.6,
    "Director of Operations": 0.3,
    "IT Director": 0.3,
    "Marketing Manager": 0.4,
    "Sales Manager": 0.3,
    "Product Manager": 0.1,
    "Project Manager": -0.1,
    "Office Manager": -0.4,
    "Data Analyst": -0.1,
    "Software Engineer": -0.2,
    "Marketing Specialist": 0.0,
    "Consultant": -0.4,
    "Assistant": -0.6,
    "Intern": -1.0,
    "Student": -1.3,
}
SENIOR_TITLES = 10  # the first ten decide on budgets
BUYERS_AT_HOME = 0.3  # a decision maker in a firm of 100 and more adds this


@dataclass(frozen=True)
class People:
    """Arrays with one entry per lead, in the order of creation; indices point into the word lists of this
    module.

    Attributes
    ----------
    created : float, days since the start
    channel, campaign, owner, account, country, industry, title : int
    employees : float
    effect : float
        What a lead's own attributes add to the logit of winning, before scaling; without channel cost and
        season.
    paid : bool
    taste : float
        What sales likes in the same attributes, apart from what wins.
    """

    created: np.ndarray
    channel: np.ndarray
    campaign: np.ndarray
    owner: np.ndarray
    account: np.ndarray
    country: np.ndarray
    industry: np.ndarray
    title: np.ndarray
    employees: np.ndarray
    paid: np.ndarray
    effect: np.ndarray
    taste: np.ndarray


def draw_people(rng: np.random.Generator, *, leads: int, days: float) -> People:
    """Draw ``leads`` people over ``days`` days of a growing market whose paid share grows too."""
    growth = GROWTH_PER_YEAR / 365.25
    created = np.sort(np.log1p(rng.random(leads) * np.expm1(growth * days)) / growth)
    paid = rng.random(leads) < PAID_SHARE[0] + (PAID_SHARE[1] - PAID_SHARE[0]) * created / days
    unpaid_channel = PAID_CHANNELS + rng.choice(len(UNPAID_SHARES), leads, p=UNPAID_SHARES)
    channel = np.where(paid, rng.integers(PAID_CHANNELS, size=leads), unpaid_channel)
    campaign = channel * CAMPAIGNS_PER_CHANNEL + rng.integers(CAMPAIGNS_PER_CHANNEL, size=leads)

    accounts = max(1, leads * 6 // 10)
    account = (accounts * rng.random(leads) ** 1.5).astype(np.int64)  # a few accounts send many leads
    country_of = rng.choice(len(COUNTRIES), accounts, p=falling(len(COUNTRIES)))
    industry_of = rng.choice(len(INDUSTRIES), accounts, p=falling(len(INDUSTRIES)))
    employees_of = np.ceil(55 * np.exp(1.4 * rng.standard_normal(accounts)))
    country, industry, employees = country_of[account], industry_of[account], employees_of[account]
    title = rng.integers(len(TITLES), size=leads)

    campaign_effects = 0.25 * rng.standard_normal(len(CHANNELS) * CAMPAIGNS_PER_CHANNEL)
    size = np.log(employees / 55)
    effect = (
        np.concatenate([np.zeros(PAID_CHANNELS), UNPAID_EFFECTS])[channel]
        + campaign_effects[campaign]
        + effects(COUNTRIES)[country]
        + effects(INDUSTRIES)[industry]
        + effects(TITLES)[title]
        + 0.2 * np.clip(size, -2, 3)
        + BUYERS_AT_HOME * ((title < SENIOR_TITLES) & (employees >= 100))
    )
    taste = (
        rng.standard_normal(len(COUNTRIES))[country]
        + rng.standard_normal(len(INDUSTRIES))[industry]
        + rng.standard_normal(len(CHANNELS))[channel]
        + 0.5 * size
    )
    return People(
        created=created,
        channel=channel,
        campaign=campaign,
        owner=np.arange(leads) % REPS,  # dealt by turn
        account=account,
        country=country,
        industry=industry,
        title=title,
        employees=employees,
        paid=paid,
        effect=effect,
        taste=taste,
    )


def effects(words: dict[str, float]) -> np.ndarray:
    return np.array(list(words.values()))


def falling(choices: int) -> np.ndarray:
    """Shares of choices of which the first are the commonest."""
    weights = 1 / np.arange(2, choices + 2)
    return weights / weights.sum()
