"""Exports in the shapes that CRMs document: their columns, stage words and ways of writing, with made-up leads."""

import csv
import io
import random
from datetime import datetime, timedelta
from pathlib import Path

from tests.commands import written

START = datetime(2024, 1, 2, 9)
ROWS = 900


class Lead:
    """One made-up lead: when it came, whether sales took it up, how it ended, and when."""

    def __init__(self, row: int, draw: random.Random) -> None:
        self.row = row
        self.created = START + timedelta(minutes=900 * row + draw.randrange(600))
        self.source = draw.choice(["Web", "Fair", "Phone", "Partner"])
        self.industry = draw.choice(["Retail", "Health", "Software"])
        self.employees = draw.randrange(5, 900)
        self.owner = draw.choice(["Ann Smith", "Bob Jones"])
        good = 0.35 + 0.25 * (self.source == "Partner") + 0.15 * (self.industry == "Software")
        self.accepted = draw.random() < good
        self.won = self.accepted and draw.random() < good
        self.decided = self.created + timedelta(days=draw.randrange(1, 12), minutes=draw.randrange(900))
        self.closed = self.decided + timedelta(days=draw.randrange(3, 60))
        self.open = row > ROWS - 30
        self.amount = round(500 + 9000 * draw.random(), 2)
        self.first, self.last = draw.choice(["Dana", "Eli", "Fay"]), f"Name{row}"


def leads() -> list[Lead]:
    draw = random.Random(4)
    return [Lead(row, draw) for row in range(1, ROWS + 1)]


def table(rows: list[dict[str, object]], separator: str = ",") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def us(time: datetime) -> str:
    return f"{time.month}/{time.day}/{time.year}"


def minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def salesforce(folder: Path) -> Path:
    """A lead report, and a report of opportunities with the lead that each came from; dates month first."""
    found = [
        {
            "Lead ID": f"00Q5g00000{each.row:05}",
            "Salutation": "Ms.",
            "First Name": each.first,
            "Last Name": each.last,
            "Title": "Head of Sales",
            "Company / Account": f"Company {each.row // 2}",
            "Email": f"{each.first}@{each.row}.example",
            "Phone": f"555-{each.row:04}",
            "Lead Source": each.source,
            "Lead Owner": each.owner,
            "Industry": each.industry,
            "No. of Employees": each.employees,
            "Lead Status": "Open - Not Contacted"
            if each.open
            else "Closed - Converted"
            if each.accepted
            else "Closed - Not Converted",
            "Converted": int(each.accepted and not each.open),
            "Converted Date": us(each.decided) if each.accepted and not each.open else "",
            "Create Date": us(each.created),
            "Last Activity": us(each.closed),
            "Last Modified Date": us(each.closed),
        }
        for each in leads()
    ]
    deals = [
        {
            "Opportunity ID": f"0065g00000{each.row:05}",
            "Opportunity Name": f"Company {each.row} - new",
            "Lead ID": f"00Q5g00000{each.row:05}",
            "Stage": "Closed Won" if each.won else "Closed Lost" if each.row % 9 else "Negotiation/Review",
            "Amount": f"${each.amount:,.2f}",
            "Probability (%)": 100 if each.won else 0,
            "Close Date": us(each.closed),
            "Created Date": us(each.decided),
            "Opportunity Owner": each.owner,
        }
        for each in leads()
        if each.accepted and not each.open
    ]
    return written(folder, {"leads.csv": table(found), "opportunities.csv": table(deals)})


def hubspot(folder: Path) -> Path:
    """All contacts with the dates on which each became what."""
    rows = [
        {
            "Record ID": 51_000_000 + each.row,
            "First Name": each.first,
            "Last Name": each.last,
            "Email": f"{each.first}@{each.row}.example",
            "Phone Number": f"+1 555 {each.row:04}",
            "Contact owner": each.owner,
            "Lifecycle Stage": "Customer"
            if each.won
            else "Sales Qualified Lead"
            if each.accepted
            else "Lead",
            "Lead Status": "Connected" if each.accepted else "Unqualified",
            "Original Source": each.source,
            "Industry": each.industry,
            "Number of Employees": each.employees,
            "Create Date": minute(each.created),
            "Became a Marketing Qualified Lead Date": minute(each.created),
            "Became a Sales Qualified Lead Date": minute(each.decided)
            if each.accepted and not each.open
            else "",
            "Became a Customer Date": minute(each.closed) if each.won and not each.open else "",
            "Last Activity Date": minute(each.closed),
            "Recent Deal Amount": each.amount if each.won else "",
        }
        for each in leads()
    ]
    return written(folder, {"all-contacts.csv": table(rows)})


def pipedrive(folder: Path) -> Path:
    """Deals, each column with the name of what it is about."""
    rows = [
        {
            "Deal - ID": each.row,
            "Deal - Title": f"{each.last} deal",
            "Deal - Value": each.amount,
            "Deal - Currency of Value": "EUR",
            "Deal - Status": "Open" if each.open else "Won" if each.won else "Lost",
            "Deal - Stage": "Negotiations Started",
            "Deal - Owner": each.owner,
            "Deal - Source": each.source,
            "Deal - Industry": each.industry,
            "Deal - Deal created": minute(each.created),
            "Deal - Won time": minute(each.closed) if each.won and not each.open else "",
            "Deal - Lost time": minute(each.closed) if not each.won and not each.open else "",
            "Deal - Lost reason": "" if each.won else "Price",
            "Deal - Last activity date": minute(each.closed),
            "Deal - Expected close date": f"{each.closed:%Y-%m-%d}",
            "Person - Name": f"{each.first} {each.last}",
            "Person - Email": f"{each.row}@x.example",
        }
        for each in leads()
    ]
    return written(folder, {"deals.csv": table(rows)})


def dynamics(folder: Path) -> Path:
    """A view of all leads as Excel saves it in Germany: semicolons, and columns that are not to be touched."""
    rows = [
        {
            "(Do Not Modify) Lead": f"7f1e{each.row:04x}-0000-4000-8000-{each.row:012x}",
            "(Do Not Modify) Row Checksum": f"c{each.row * 7919:x}",
            "(Do Not Modify) Modified On": minute(each.closed),
            "Name": f"{each.first} {each.last}",
            "Topic": "Interested",
            "Status": "Open" if each.open else "Qualified" if each.accepted else "Disqualified",
            "Status Reason": "New" if each.open else "Qualified" if each.accepted else "No Longer Interested",
            "Lead Source": each.source,
            "Industry": each.industry,
            "No. of Employees": each.employees,
            "Owner": each.owner,
            "Created On": minute(each.created),
            "Business Phone": f"555-{each.row}",
        }
        for each in leads()
    ]
    return written(folder, {"all-leads.csv": table(rows, ";")})


def zoho(folder: Path) -> Path:
    """The leads' module: what became of a lead is a status, and whether and when it was converted."""
    rows = [
        {
            "Record Id": f"zcrm_52{each.row:07}",
            "Lead Owner": each.owner,
            "Company": f"Company {each.row}",
            "First Name": each.first,
            "Last Name": each.last,
            "Email": f"{each.row}@x.example",
            "Mobile": f"555{each.row}",
            "Lead Source": each.source,
            "Lead Status": "Contacted" if each.open else "Pre-Qualified" if each.accepted else "Junk Lead",
            "Industry": each.industry,
            "No. of Employees": each.employees,
            "Rating": "-None-",
            "Is Converted": str(each.won).lower(),
            "Converted Date Time": minute(each.closed) if each.won else "",
            "Created Time": minute(each.created),
            "Modified Time": minute(each.closed),
            "Last Activity Time": minute(each.closed),
        }
        for each in leads()
    ]
    return written(folder, {"Leads.csv": table(rows)})


EXPORTS = {
    "Salesforce": salesforce,
    "HubSpot": hubspot,
    "Pipedrive": pipedrive,
    "Dynamics 365": dynamics,
    "Zoho": zoho,
}
