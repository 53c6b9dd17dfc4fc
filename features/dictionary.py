"""The data dictionary, written from the register: ``python -m features.dictionary > docs/features.md``."""

import sys

from features.definitions import MODULES
from features.register import REGISTER, Feature

INTRODUCTION = """\
# The features

Written from the register of features by `python -m features.dictionary > docs/features.md`; a test holds it up to date.

Every column says what was known **before** the as-of time: a row counts from the moment it was recorded, strictly before that
time. When it occurred only says how old it is; what is planned for later is 0 days old. `{days}` stands for each length of
`windows_days`, `{kind}` for each of the commonest kinds of event, `{channel}` for each of the commonest channels of events,
`{attribute}` for a column of the lead, `{key}` for one whose past outcomes are looked up: channel, campaign, owner, the account, the
company behind an e-mail address, and every column of too many different texts to be a category. In a column's name, whatever is
neither letter nor digit becomes an underscore.

Rates are drawn towards the overall rate of the time, which weighs 20 leads. They and their counts are as of the midnight (UTC) before
the as-of time; those of the account are as of the as-of time itself, and where rows have no time, of the rows before. A lead's own
outcome never counts. A lead that was never accepted has no conversion outcome: it is not in the win rate, and not a "no".
"""


def dictionary() -> str:
    """The whole document, as Markdown."""
    parts = [INTRODUCTION]
    for module in MODULES:
        about = " ".join(module.__doc__.split("\n\n")[0].split())
        mine = [feature for feature in REGISTER.values() if feature.compute.__module__ == module.__name__]
        parts.append(
            f"## {about}\n\n"
            + "\n".join(
                ["| column | what it is | unit | empty means |", "|---|---|---|---|", *map(_row, mine)]
            )
            + "\n"
        )
    return "\n".join(parts)


def _row(feature: Feature) -> str:
    cells = (f"`{feature.column}`", feature.about, feature.unit, feature.empty)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(dictionary())
