"""Who may: people who sign in at the desk, keys for programs that ask it, and people whose data are to be
forgotten.
"""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from features.errors import UsageError
from pipelines.cli.options import Config, Home, Json, settings_of, show, standing
from pipelines.environment import home_folder

user = typer.Typer(name="user", help="People who sign in at the desk.", no_args_is_help=True)
key = typer.Typer(name="key", help="Keys for programs that ask the desk.", no_args_is_help=True)
TERMINAL = "command line"  # who did it, in the audit log


def forget(
    lead: Annotated[str, typer.Argument(help="The lead's id, as in the source.")],
    config: Config = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Erase a person's attributes, events and texts from snapshots and store. The decision stays, without a
    name.
    """
    now = standing(folder := home_folder(home))
    from pipelines.home import store_of
    from pipelines.store.erasure import forget as erase

    done = erase(store_of(settings_of(config, None), folder), folder, lead, at=now, by=TERMINAL).to_json()
    rows = ", ".join(f"{number:,} of {name}" for name, number in done["rows"].items())
    show(
        done,
        f"forgotten: rows {rows} in {done['snapshots']} snapshots, {done['answers']} answers; no pull brings them back",
        as_json=as_json,
    )


class Role(StrEnum):
    """Each may do what those before it may, a manager with the leads of the own team."""

    rep = "rep"
    manager = "manager"
    ops = "ops"
    admin = "admin"


class KeyRole(StrEnum):
    """A program is of no team, so none is a manager."""

    rep = "rep"
    ops = "ops"
    admin = "admin"


Team = Annotated[
    str | None, typer.Option("--team", help="Which team the person belongs to.", show_default=False)
]


@user.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="What the person signs in as.")],
    role: Annotated[
        Role,
        typer.Option(
            "--role",
            help="rep works the queue; manager also that of the own team; ops also scores; admin also sees who did what.",
        ),
    ],
    team: Team = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="The company's sign-in lets this person in: [desk.oidc].")
    ] = False,
    config: Config = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Let somebody in, or give a new role and password to who is in. Prints a password that is shown only
    now.
    """
    now = standing(folder := home_folder(home))
    from pipelines.home import store_of
    from pipelines.store.access import passwords
    from pipelines.store.access.users import add_person

    settings = settings_of(config, None)
    company = settings.desk.oidc
    if no_password and company is None:
        raise UsageError(
            "--no-password needs a company's sign-in, [desk.oidc] in the configuration; nobody was added."
        )
    store = store_of(settings, folder)
    if company is not None and (no_password or not company.passwords):
        add_person(store, name, role.value, None, at=now, by=TERMINAL, team=team)
        told = {"name": name.strip(), "role": role.value, "team": team, "password": None}
        show(told, f"{name} can come in as {role.value} through {company.label}", as_json=as_json)
        return
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else passwords.fresh()
    add_person(store, name, role.value, password, at=now, by=TERMINAL, temporary=True, team=team)
    told = {
        "name": name.strip(),
        "role": role.value,
        "team": team,
        "password": None if password_stdin else password,
    }
    shown_once = (
        ""
        if password_stdin
        else f" with the password {password}\nIt is shown only now, and changed at the first sign-in."
    )
    show(told, f"{name} can sign in as {role.value}{shown_once}", as_json=as_json)


@user.command("list")
def list_users(config: Config = None, home: Home = None, as_json: Json = False) -> None:
    """Everybody who may sign in."""
    standing(folder := home_folder(home))
    from pipelines.home import store_of
    from pipelines.store.access.users import people

    found = people(store_of(settings_of(config, None), folder))
    words = (
        "\n".join("  ".join(filter(None, (each.name, each.role, each.team))) for each in found)
        or "nobody yet: leadsieve user add NAME --role admin"
    )
    told = [{"name": each.name, "role": each.role, "team": each.team} for each in found]
    show({"people": told}, words, as_json=as_json)


@user.command("team")
def put_into_team(
    name: str,
    team: Annotated[str, typer.Argument(help="The team's name; empty for none.")],
    config: Config = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Put somebody into a team; the password stays, and so do sessions."""
    now = standing(folder := home_folder(home))
    from pipelines.home import store_of
    from pipelines.store.access.users import set_team

    set_team(store_of(settings_of(config, None), folder), name, team, at=now, by=TERMINAL)
    words = f"{name} is of {f'team {team}' if team else 'no team'}"
    show({"name": name, "team": team or None}, words, as_json=as_json)


@user.command("remove")
def remove_user(name: str, config: Config = None, home: Home = None, as_json: Json = False) -> None:
    """Let somebody in no more, at once, and revoke the keys that this person made."""
    now = standing(folder := home_folder(home))
    from pipelines.home import store_of
    from pipelines.store.access.users import remove_person

    remove_person(store_of(settings_of(config, None), folder), name, at=now, by=TERMINAL)
    show({"removed": name}, f"{name} can sign in no more", as_json=as_json)


@user.command("sign-out")
def end_user_sessions(name: str, config: Config = None, home: Home = None, as_json: Json = False) -> None:
    """End all sessions of a person, on whatever machine; the password stays."""
    now = standing(folder := home_folder(home))
    from pipelines.home import store_of
    from pipelines.store.access.sessions import end_sessions

    settings = settings_of(config, None)
    store, idle = store_of(settings, folder), settings.desk.idle
    ended = end_sessions(store, name, at=now, idle=idle, by=TERMINAL)
    show({"name": name, "sessions": ended}, f"sessions of {name} that were ended: {ended:,}", as_json=as_json)


@key.command("make")
def make_api_key(
    name: Annotated[str, typer.Argument(help="Which program it is for.")],
    role: Annotated[KeyRole, typer.Option("--role", help="What the program may do.")] = KeyRole.rep,
    config: Config = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown only now: the store keeps its hash alone."""
    now = standing(folder := home_folder(home))
    from pipelines.home import store_of
    from pipelines.store.access.api_keys import make_key

    made = make_key(store_of(settings_of(config, None), folder), name, role.value, at=now, by=TERMINAL)
    show(
        {"key": made, "name": name, "role": role.value},
        f"{made}\nIt is shown only now. Send it as: Authorization: Bearer {made}",
        as_json=as_json,
    )


@key.command("list")
def list_keys(config: Config = None, home: Home = None, as_json: Json = False) -> None:
    """Every key that was made, without its secret."""
    standing(folder := home_folder(home))
    from pipelines.home import store_of
    from pipelines.store.access.api_keys import keys

    found = keys(store_of(settings_of(config, None), folder))
    plain = [
        vars(each)
        | {"made_at": each.made_at.isoformat(), "revoked_at": each.revoked_at and each.revoked_at.isoformat()}
        for each in found
    ]
    lines = [
        f"{each.key_id}  {each.role}  {each.name}"
        + (f"  revoked {each.revoked_at:%Y-%m-%d}" if each.revoked_at else "")
        for each in found
    ]
    show({"keys": plain}, "\n".join(lines) or "no key yet", as_json=as_json)


@key.command("revoke")
def revoke_api_key(key_id: str, config: Config = None, home: Home = None, as_json: Json = False) -> None:
    """Let a key open nothing any more."""
    now = standing(folder := home_folder(home))
    from pipelines.home import store_of
    from pipelines.store.access.api_keys import revoke_key

    revoke_key(store_of(settings_of(config, None), folder), key_id, at=now, by=TERMINAL)
    show({"revoked": key_id}, f"key {key_id} is revoked", as_json=as_json)
