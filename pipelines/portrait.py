"""How a lead is called: the name and the line below it that a rep reads first, found among columns that every company names its own way."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WHOLE = ("name", "full_name", "fullname", "contact", "contact_name", "lead_name", "person", "contact_person")
FIRST, LAST = ("first_name", "firstname", "given_name", "forename"), ("last_name", "lastname", "surname", "family_name")
COMPANY = ("company", "company_name", "organisation", "organization", "account_name", "account", "employer", "firm")
MAIL = ("email", "e_mail", "mail", "email_address")
ABOUT = ("job_title", "title", "position", "role", "industry", "sector", "city")
COUNTRY = ("country", "country_code", "nation", "land")
LONGEST = 120
_TWO_NAMES = re.compile(r"^([^\W\d_]{2,})[._]([^\W\d_]{2,})$")


@dataclass(frozen=True)
class Portrait:
    """What a list shows of a lead."""

    name: str
    about: str
    country: str | None
    sought: str


class Painter:
    """Finds the telling columns among those of a source.

    Parameters
    ----------
    columns : sequence of str
        The leads' attributes.
    named : sequence of str
        The columns that shall make up the name instead, such as ``["Vorname", "Nachname"]``.
    """

    def __init__(self, columns: Sequence[str], *, named: Sequence[str] = ()) -> None:
        plain = {re.sub(r"[\W_]+", "_", column.lower()).strip("_"): column for column in columns}

        def find(words: Sequence[str]) -> str | None:
            return next((plain[word] for word in words if word in plain), None)

        self.named = tuple(named)
        self.whole, self.first, self.last = find(WHOLE), find(FIRST), find(LAST)
        self.company, self.mail, self.country = find(COMPANY), find(MAIL), find(COUNTRY)
        self.about = [plain[word] for word in ABOUT if word in plain][:2]

    @property
    def columns(self) -> list[str]:
        """All that `paint` looks at."""
        found = (*self.named, self.whole, self.first, self.last, self.company, self.mail, self.country, *self.about)
        return list(dict.fromkeys(column for column in found if column))

    def paint(self, lead_id: str, row: Mapping[str, Any]) -> Portrait:
        """The portrait of one lead; where nothing tells a name, its id does."""

        def said(column: str | None) -> str:
            value = row.get(column) if column else None
            return "" if value is None or value != value else " ".join(str(value).split())[:LONGEST]

        def joined(columns: Sequence[str | None]) -> str:
            return " ".join(filter(None, map(said, columns)))

        mail, company = said(self.mail), said(self.company)
        own = joined(self.named) or said(self.whole) or joined([self.first, self.last]) or _name_in(mail)
        name = own or company or mail or f"Lead {lead_id}"
        host = mail.partition("@")[2]
        parts = [said(column) for column in self.about[:1]] + [company or host] + [said(column) for column in self.about[1:]]
        about = " · ".join(part for part in parts if part and part != name)
        sought = " ".join([name, about, mail, lead_id]).lower()
        return Portrait(name, about, said(self.country) or None, sought)


def _name_in(mail: str) -> str:
    """``Ann Smith`` of ``ann.smith@…``; nothing of other addresses."""
    match = _TWO_NAMES.match(mail.partition("@")[0])
    return " ".join(part.capitalize() for part in match.groups()) if match else ""
