"""The words by which CRMs call columns and stages, in several languages: tables to be read and added to.

Names and words are compared as ``tidy`` leaves them: small, without accents, marks or the case of camels.
"""

import re
import unicodedata

from features.lead_columns import BIRTH, NAMES

# A role's usual names, the likeliest first; a name that holds one counts less than one that is one.
ROLES = {
    "lead_id": "lead id|record id|id|prospect id|contact id|opportunity id|deal id|mql id|application id|enquiry id"
    "|inquiry id|request id|lead|lead nr|lead nummer|lead number|kontakt id|vorgangsnummer|anfrage id|kundennummer"
    "|nummer|identifiant|id prospect|numero|codigo|identificador|identificativo|klantnummer|row id",
    "created_at": "created at|create date|created date|created on|created time|creation date|date created|created"
    "|lead created|deal created|opportunity created|add time|date added|first contact date|engage date|inquiry date"
    "|enquiry date|submitted at|submitted on|received at|entry date|lead date|erstellt am|erstelldatum"
    "|erstellungsdatum|anlagedatum|angelegt am|eingang|eingangsdatum|date de création|créé le|date d ajout"
    "|fecha de creación|fecha de alta|creado el|data creazione|data di creazione|creato il|aangemaakt op"
    "|aanmaakdatum|data de criação|criado em|date|datum|fecha|data",
    "channel": "channel|lead source|original source|original traffic source|source|origin|utm source|kanal|quelle"
    "|leadquelle|lead quelle|herkunft|canal|origine|source du lead|origen|fuente|fonte|provenienza|bron|origem",
    "owner": "owner|lead owner|contact owner|deal owner|opportunity owner|sales agent|sales rep|assigned to"
    "|account manager|besitzer|inhaber|zuständig|verkäufer|vertriebler|betreuer|propriétaire|commercial|vendeur"
    "|propietario|vendedor|proprietario|venditore|eigenaar|verkoper|responsável",
    "account_id": "account id|company id|organization id|account name|company name|organization|organisation|company|company account"
    "|firma|firmenname|unternehmen|société|entreprise|empresa|azienda|bedrijf|compte",
    "campaign": "campaign name|campaign|utm campaign|kampagne|campagne|campaña|campagna|campanha",
    "occurred_at": "occurred at|happened at|activity date|event date|event time|event at|timestamp|time|date|at|datum"
    "|zeitpunkt|zeit|created at|created date|date de l activité|fecha|data|due date",
    "kind": "kind|event|event type|event name|activity|activity type|type|action|aktivität|art|ereignis|typ|activité"
    "|actividad|tipo|attività|activiteit|subject",
    "stage": "stage|deal stage|opportunity stage|sales stage|lifecycle stage|lead status|deal status|status|state|outcome"
    "|result|phase|verkaufsphase|vertriebsphase|leadstatus|ergebnis|étape|étape de vente|statut|état|résultat|etapa"
    "|estado|resultado|fase|stato|esito|uitkomst|status reason|activity",
    "won": "converted|is converted|won|is won|customer|is customer|target|label|y|outcome|success|purchased|bought|kunde"
    "|gewonnen|abschluss|gekauft|converti|gagné|client|ganado|cliente|convertido|vinto|gewonnen deal",
    "closed_at": "occurred at|close date|closed date|closed on|closed at|deal closed on|closing date|won date|stage changed"
    "|stage changed at|last stage change|date of last stage change|status changed|decided at|outcome date|abschlussdatum"
    "|abgeschlossen am|geschlossen am|date de clôture|date de fermeture|fecha de cierre|data chiusura|data di chiusura"
    "|sluitingsdatum|actual close date|converted date|conversion date|qualified on",
    "updated_at": "updated at|last updated|last updated at|system modstamp|last modified date|last modified|last modified at"
    "|modified at|modified on|modified time|modified date|lastmodifieddate|hs lastmodifieddate|write date|update time"
    "|update date|changed at|sys updated on|date modified|geändert am|letzte änderung|modifié le|modificado el"
    "|modificato il|gewijzigd op",
    "recorded_at": "recorded at|logged at|synced at|inserted at|erfasst am",
    "amount": "amount|deal amount|deal value|opportunity amount|close value|closed value|order value|won amount|value"
    "|actual revenue|deal size|betrag|auftragswert|abschlusswert|umsatz|montant|importe|importo|bedrag|valor",
    "margin": "margin|deal margin|profit|gross margin|marge|deckungsbeitrag|margen|margine|ganancia|bénéfice",
    "list_amount": "list amount|list price|list value|catalogue price|gross amount|listenpreis|prix catalogue|precio de lista",
    "reason": "reason|lost reason|loss reason|closed lost reason|rejection reason|disqualification reason|verlustgrund",
    "rep": "rep|sales rep|sr id|owner|opportunity owner|deal owner|sales agent",
    "leads table": "leads|lead|contacts|contact|deals|prospects|opportunities|opportunity|applications|enquiries|inquiries"
    "|kontakte|anfragen|interessenten|pipeline|sales pipeline|contactos|oportunidades|qualified leads|mql",
    "won table": "won|closed|customers|customer|orders|sales|kunden|aufträge|clients|clientes|closed deals|won deals",
}

# What a word of a stage column says; of several that fit, the longest counts.
STAGES = {
    "won": "won|closed won|win|customer|became a customer|evangelist|gewonnen|abschluss|kunde|gagné|gagnée|gagne|client"
    "|ganado|ganada|cliente|vinto|vinta|ganho|activated|sold|purchased|signed|deal won|success|contract signed|verkauft",
    "lost": "lost|closed lost|lost lead|loss|verloren|perdu|perdue|perdido|perdida|perso|persa|verlies|declined"
    "|cancelled|canceled|abgesagt|abgelehnt|annulé|cancelado|not converted|nicht gewonnen|abandoned|visited did not buy"
    "|no decision|failure",
    "accepted": "accepted|sales accepted|sal|sql|sales qualified|sales qualified lead|became sql|qualified|pre qualified"
    "|converted|opportunity|became an opportunity|preaccepted|angenommen|qualifiziert|qualifié|accepté|calificado|aceptado"
    "|cualificado|qualificato|accettato|gekwalificeerd|taken up|closed converted",
    "rejected": "rejected|disqualified|unqualified|not qualified|junk|junk lead|bad fit|not interested|no longer interested"
    "|turned down|recycled|cannot contact|unresponsive|bad timing|spam|duplicate|disqualifiziert|unqualifiziert"
    "|nicht qualifiziert|zurückgewiesen|rejeté|refusé|disqualifié|non qualifié|rechazado|descartado|no calificado"
    "|rifiutato|squalificato|afgewezen|returned|kein interesse",
    "open": "open|new|in progress|working|contacted|not contacted|attempted to contact|attempting|contact in future|connected"
    "|open deal|prospecting|engaging|qualification|needs analysis|value proposition|id decision makers|perception analysis"
    "|proposal|price quote|negotiation|review|lead|subscriber|mql|marketing qualified|marketing qualified lead|other|nurture"
    "|nurturing|assigned|pending|offen|neu|in bearbeitung|kontaktiert|angebot|verhandlung|nouveau|ouvert|en cours|nuevo"
    "|abierto|en curso|nuovo|aperto|in corso|nieuw|novo|aberto|demo|discovery|meeting|contact made|demo scheduled"
    "|proposal made|negotiations started|unknown|on hold|interested|appointment scheduled|presentation scheduled"
    "|decision maker bought in|contract sent",
}
YES, NO = (
    ("yes", "true", "1", "ja", "oui", "sí", "si", "y", "wahr"),
    ("no", "false", "0", "nein", "non", "n", "falsch"),
)
EMPTY = (
    "Select",
    "--None--",
    "-None-",
    "- Select -",
    "Please select",
    "Bitte wählen",
    "Choisir",
    "(not set)",
)

# Columns that no model may learn from, with the reason that the file gives.
PERSON, CONTACT, PROTECTED = (
    "the name of a person",
    "how to reach a person",
    "protected: what a person is, not what it wants",
)
LATER = "filled in or changed after contact, so no new lead has it"
EXCLUDED = {
    PERSON: "|".join(NAMES)
    + "|name|contact person|lead name|deal title|opportunity name|ansprechpartner|nom|nombre|nome|cognome|sobrenome|topic|title of deal",
    CONTACT: "email|e mail|email address|mail|phone|phone number|mobile|mobile phone|business phone|fax|telefon|handy"
    "|telefonnummer|téléphone|teléfono|telefono|telefoon|móvil|street|straße|address|adresse|linkedin|skype id|twitter",
    PROTECTED: "|".join(BIRTH)
    + "|birthdate|data di nascita|gender|sex|geschlecht|religion|nationality|ethnicity",
    LATER: "close date|closed date|closed|closed on|won time|lost time|lost reason|loss reason|closed lost reason|close value"
    "|closed won reason|last activity|last activity date|last activity time|last notable activity|last contacted"
    "|last contact|last modified|last modified date|modified on|modified time|modified date"
    "|row checksum|updated at|update time|update date|deal closed on|converted|converted date|converted account|converted contact"
    "|converted opportunity|converted deal|lead conversion time|is converted|conversion date|stage changed|next step"
    "|next activity|next activity date|probability|forecast category|expected close date|expected revenue|weighted value"
    "|days in stage|deal age|stage duration|unqualified reason|disqualification reason|number of times contacted|tags|duration"
    "|lead quality|lead profile|status reason|recent deal amount|recent deal close date|total revenue|number of deals"
    "|associated deals|total activities|done activities|last email date|became|won|is won|verlustgrund|abschlussdatum"
    "|letzte aktivität|letzter kontakt|geändert am|letzte änderung|konvertiert am|date de clôture|dernière activité"
    "|modifié le|raison de perte|última actividad|fecha de cierre|modificado el|motivo de pérdida|ultima attività"
    "|modificato il|motivo perdita|laatste activiteit|gewijzigd op|entered stage|entered|exited|lead score|activity score|activity index|profile score|profile index",
}
EXACT = {
    "name",
    "nom",
    "nome",
    "mail",
    "closed",
    "converted",
    "address",
    "tags",
    "duration",
    "won",
    "nombre",
    "topic",
}
HOLDS = (
    "last activity",
    "last notable activity",
    "lost reason",
    "converted",
    "became",
    "last modified",
    "email address",
)


def tidy(name: str) -> str:
    """A name or word, small, its marks and accents gone: ``Became a SQL-Date`` is ``became a sql date``."""
    parted = re.sub(r"(?<=[a-zß-ÿ0-9])(?=[A-Z])", " ", name)
    plain = "".join(each for each in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(each))
    return " ".join(re.split(r"[\W_]+", plain.casefold())).strip()


def _tidied(table: dict[str, str]) -> dict[str, list[str]]:
    return {key: [tidy(each) for each in names.split("|")] for key, names in table.items()}


_ROLES, _EXCLUDED = _tidied(ROLES), _tidied(EXCLUDED)
_STAGES = sorted(
    ((phrase, stage) for stage, phrases in _tidied(STAGES).items() for phrase in phrases),
    key=lambda each: -len(each[0]),
)
_YES, _NO = {tidy(each) for each in YES}, {tidy(each) for each in NO}


def fits(name: str, role: str) -> float:
    """How well a tidy name fits a role: from 100 downwards if it is one of its names, from 50 if it holds one,
    0 otherwise.
    """
    names = _ROLES[role]
    if name in names:
        return 100 - 30 * names.index(name) / len(names)
    held = [at for at, each in enumerate(names) if len(each) > 3 and f" {each} " in f" {name} "]
    return 50 - 30 * held[0] / len(names) if held else 0


def stage_of(word: str) -> str | None:
    """The stage that a word means, ``open`` among them, or None for one that is in no list."""
    plain = f" {tidy(word)} "
    return next((stage for phrase, stage in _STAGES if f" {phrase} " in plain), None)


def truth_of(word: str) -> bool | None:
    """Yes or no, or None for a word that is neither."""
    plain = tidy(word)
    return True if plain in _YES else False if plain in _NO else None


def excluded(name: str) -> str | None:
    """Why a column of this tidy name is nothing to learn from, or None."""
    for why, names in _EXCLUDED.items():
        if name in names:
            return why
    for why, names in _EXCLUDED.items():
        if any(
            f" {each} " in f" {name} "
            for each in names
            if each not in EXACT and (" " in each or each in HOLDS)
        ):
            return why
    return None
