"""Columns that tell who somebody is, by the names that exports give them.

Who somebody is decides nothing about the business, and a first name tells sex and origin.
"""

NAMES = (
    *(
        "first name",
        "last name",
        "middle name",
        "surname",
        "given name",
        "family name",
        "full name",
        "forename",
    ),
    *("contact name", "person name", "nickname", "salutation", "name prefix", "name suffix", "honorific"),
    *("vorname", "nachname", "familienname", "anrede", "prénom", "nom de famille", "civilité"),
    *("voornaam", "achternaam", "aanhef", "nombre completo", "apellido", "apellidos", "tratamiento"),
)
BIRTH = (
    *("birth date", "birthday", "date of birth", "dob", "birth year", "geburtsdatum", "geburtstag"),
    *("date de naissance", "geboortedatum", "fecha de nacimiento"),
)
