"""Job titles by rule: how senior, and in which department. English, and the commonest German and French
words.
"""

import ibis
import ibis.expr.types as ir

from features.register import feature

# The first rule that fits decides, so the order is from the most telling word to the least.
SENIORITY = (
    (
        "student",
        r"\b(student\w*|studierende\w*|intern|internship|trainee|praktikant\w*|werkstudent\w*|stagiaire|apprenti\w*|azubi)\b",
    ),
    ("assistant", r"\b(assist\w*|secretar\w*|sekret\w*|receptionist|office manager)\b"),
    ("vice president", r"\b(s?vp|evp|vice[ -]?pres\w*)\b"),
    (
        "chief",
        r"\bc[efimotrs]o\b|\b(cpo|cdo|chief|chef de la direction|president|pr.sident\w*|vorstand\w*|vorst.nd\w*|pdg)\b",
    ),
    ("manager", r"\b(product owner|account executive)\b"),
    (
        "owner",
        r"\b(owner|(co-?)?founder|inhaber\w*|gr.nder\w*|fondat\w*|partner|proprietor|gesch.ftsf\w*|managing director|g.rant\w*)\b",
    ),
    ("director", r"\b(dire?[ck]t\w*|directrice|dir)\b"),
    ("head", r"\b(head|\w*leiter\w*|lead|responsable|bereichsleit\w*|chef)\b"),
    ("manager", r"\b(mana?ge?r\w*|mgr|mngr|teamleit\w*|supervisor|superviseur)\b"),
    (
        "specialist",
        r"\b(engineer\w*|ingenieur\w*|ing.nieur\w*|developer|entwickler\w*|analyst\w*|specialist\w*"
        r"|consultant\w*|berater\w*|architect\w*|scientist|designer|accountant|administrator|referent\w*|associate|executive|representative|coordinator|officer)\b",
    ),
)

DEPARTMENT = (
    (
        "marketing",
        r"\bmarket\w*|\b(cmo|brand|growth|communications?|kommunikation|seo|content|advertising|werbung)\b",
    ),
    (
        "sales",
        r"\b(sales|vertrieb\w*|vente\w*|commercial\w*|account (executive|manager)|business development|cro|verkauf\w*)\b",
    ),
    (
        "finance",
        r"\b(cfo|financ\w*|finanz\w*|account(ant|ing)|controll\w*|buchhalt\w*|comptab\w*|treasur\w*)\b",
    ),
    ("people", r"\b(hr|human resources?|people|personal\w*|recruit\w*|talent|rh|ressources humaines)\b"),
    (
        "technology",
        r"\b(cto|cio|it|edv|tech\w*|engineer\w*|ingenieur\w*|ing.nieur\w*|software"
        r"|developer|d.veloppeur\w*|entwickl\w*|data|informati\w*|devops|security|system\w*|architect\w*)\b",
    ),
    (
        "operations",
        r"\b(coo|operation\w*|logisti\w*|supply|procurement|purchas\w*|eink.uf\w*|achat\w*|produ[ck]tion\w*|office)\b",
    ),
    ("product", r"\b(product|produkt\w*|produit\w*|cpo|ux)\b"),
    ("legal", r"\b(legal|recht\w*|jurist\w*|juridique|compliance|lawyer|counsel)\b"),
    (
        "general management",
        r"\b(ceo|pdg|owner|(co-?)?founder|inhaber\w*|gr.nder\w*|fondat\w*|president|gesch.ftsf\w*|managing director|g.rant\w*)\b",
    ),
)


def first_rule(text: ir.StringValue, rules: tuple[tuple[str, str], ...]) -> ir.StringValue:
    """The name of the first rule whose pattern is found: "other" if none is, empty for an empty text."""
    text = text.lower()
    found = ((text.re_search(portable(pattern)), name) for name, pattern in rules)
    return ibis.cases((text.isnull() | (text.strip() == ""), ibis.null("string")), *found, else_="other")


def portable(pattern: str) -> str:
    r"""The same pattern without ``\b`` and ``\w``, which engines spell differently or take for ASCII only."""
    return pattern.replace(r"\w*", "[^ ,/&()-]*").replace(r"\b", "(^|$|[ ,;./&()|-])")


@feature(
    of="lead",
    attributes=["title"],
    kind="category",
    column="{attribute}_seniority",
    group="{attribute}",
    words="seniority by {attribute} is {value}",
    unit="one of " + ", ".join(dict.fromkeys(name for name, _ in SENIORITY)) + ", other",
    empty="no title",
)
def seniority(lead: ir.Table, attribute: str) -> ir.StringValue:
    """How senior the title is, by the first rule that fits."""
    return first_rule(lead[attribute], SENIORITY)


@feature(
    of="lead",
    attributes=["title"],
    kind="category",
    column="{attribute}_department",
    group="{attribute}",
    words="department by {attribute} is {value}",
    unit="one of " + ", ".join(name for name, _ in DEPARTMENT) + ", other",
    empty="no title",
)
def department(lead: ir.Table, attribute: str) -> ir.StringValue:
    """The department that the title names, by the first rule that fits."""
    return first_rule(lead[attribute], DEPARTMENT)
