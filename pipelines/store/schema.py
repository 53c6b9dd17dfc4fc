"""The tables of the store as they are today; how they came to be is told by ``migrations``, and changed there
first.
"""

import sqlalchemy as sa

metadata = sa.MetaData()
decisions_table = sa.Table(
    "decisions",
    metadata,
    sa.Column(
        "lead_id", sa.Text, primary_key=True
    ),  # which is what keeps two runs from deciding a lead twice
    sa.Column("account_id", sa.Text),
    sa.Column("batch", sa.Integer, nullable=False),  # the scoring run: 1, 2, 3 …
    sa.Column("as_of", sa.DateTime, nullable=False),
    sa.Column("decided_at", sa.DateTime, nullable=False),
    sa.Column("p_pursue", sa.Float),
    sa.Column("p_convert", sa.Float),
    sa.Column("p_both", sa.Float),
    sa.Column("p_worked", sa.Float),
    sa.Column("low", sa.Float),  # of p_worked
    sa.Column("high", sa.Float),
    sa.Column("p_worked_by", sa.Text),  # forced · luck · bounds
    sa.Column("extrapolated", sa.Integer),  # 1: unlike all that sales ever took up
    sa.Column("value", sa.Float),
    sa.Column("grade", sa.Text),
    sa.Column("rank", sa.Integer),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("this_week", sa.Integer),  # 1: fits into the week's hours
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("propensity", sa.Float, nullable=False),  # of the arm, before the score was known
    sa.Column("score", sa.Float),  # what orders leads, is cut, and gives the grade
    sa.Column("cut", sa.Float),  # in force; null where none was
    sa.Column("cut_by", sa.Text),
    sa.Column("policy", sa.Text),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),  # JSON list of sentences
    sa.Column("channel", sa.Text),
    sa.Column("owner", sa.Text),
    sa.Column("weights", sa.Text),  # JSON list: how far each reason moves the model's sum, in logits
)
answers_table = sa.Table(
    "answers",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column(
        "turn", sa.Integer, primary_key=True
    ),  # 1, 2, 3 …: of two people who answer the same turn, the key lets one through
    sa.Column("kind", sa.Text, nullable=False),  # accepted · rejected · snoozed · undone · released
    sa.Column("reason", sa.Text),
    sa.Column("words", sa.Text),  # in the person's own words
    sa.Column("until", sa.DateTime),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime, nullable=False),
)

# One row for each decided lead: a reading copy of the decision log beside names and the present state, made
# anew whenever it is deleted.
worklist_table = sa.Table(
    "worklist",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text),
    sa.Column("batch", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("sought", sa.Text, nullable=False),  # what a search looks through, in lower case
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("decided_at", sa.DateTime, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("country", sa.Text),
    sa.Column("owner", sa.Text),
    sa.Column("grade", sa.Text),
    sa.Column("score", sa.Float),
    sa.Column("low", sa.Float),  # of the chance if worked
    sa.Column("high", sa.Float),
    sa.Column("p_worked_by", sa.Text),
    sa.Column("value", sa.Float),
    sa.Column(
        "worth", sa.Float, nullable=False
    ),  # what the list is sorted by: the value, else the score, below all values
    sa.Column("asked", sa.Integer, nullable=False),  # 1: sales is asked to work it
    sa.Column("this_week", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # open · accepted · rejected · snoozed · held
    sa.Column("turn", sa.Integer, nullable=False),  # of the latest answer, 0 where there is none
    sa.Column("answered_by", sa.Text),
    sa.Column("answered_at", sa.DateTime),
    sa.Column("until", sa.DateTime),
    sa.Column("held_by", sa.Text),  # whose cut holds it, or which rule; null where it is not held
    sa.Column("step", sa.Text),  # the next step that is due first
    sa.Column("due", sa.DateTime),
    sa.Column("assigned_to", sa.Text),  # whose desk it is on; null: the pool
    sa.Column("assigned_at", sa.DateTime),
    sa.Column("rescored_at", sa.DateTime),  # when it was last scored anew, null where it never was
    sa.Column("because", sa.Text),  # of what it had done
    sa.Column("was_grade", sa.Text),  # of the decision
    sa.Column("was_score", sa.Float),
)
rescores_table = sa.Table(
    "rescores",
    metadata,
    sa.Column("entry", sa.Integer, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime, nullable=False),  # the as-of time
    sa.Column("since", sa.DateTime, nullable=False),  # when the first of what it had done was recorded
    sa.Column("because", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("p_pursue", sa.Float),
    sa.Column("p_convert", sa.Float),
    sa.Column("p_both", sa.Float),
    sa.Column("p_worked", sa.Float),
    sa.Column("low", sa.Float),
    sa.Column("high", sa.Float),
    sa.Column("p_worked_by", sa.Text),
    sa.Column("extrapolated", sa.Integer),
    sa.Column("value", sa.Float),
    sa.Column("score", sa.Float),
    sa.Column("grade", sa.Text),
    sa.Column("action", sa.Text, nullable=False),  # what the score would decide now
    sa.Column("cut", sa.Float),
    sa.Column("cut_by", sa.Text),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("weights", sa.Text, nullable=False),
)
# What a challenger would have done with the leads that the champion decided: read by `compare` alone.
shadow_table = sa.Table(
    "shadow_scores",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("as_of", sa.DateTime, nullable=False),
    sa.Column("p_pursue", sa.Float),
    sa.Column("p_convert", sa.Float),
    sa.Column("p_both", sa.Float),
    sa.Column("score", sa.Float),
    sa.Column("grade", sa.Text),
    sa.Column("action", sa.Text, nullable=False),  # by its own cut, no arm drawn
    sa.Column("cut", sa.Float),
    sa.Column("cut_by", sa.Text),
)
WORK = worklist_table.c
notes_table = sa.Table(
    "notes",
    metadata,
    sa.Column("entry", sa.Integer, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("words", sa.Text),
    sa.Column("due", sa.DateTime),  # of a next step; null of a note
    sa.Column("done_at", sa.DateTime),
    sa.Column("done_by", sa.Text),
)
assignments_table = sa.Table(
    "assignments",
    metadata,
    sa.Column("entry", sa.Integer, primary_key=True),
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("person", sa.Text),  # null: the pool
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column(
        "why", sa.Text, nullable=False
    ),  # owner · account · turn · skill · passed on · taken · not answered in time
)
views_table = sa.Table(
    "views",
    metadata,
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, nullable=False),  # of the desk, with filters and order
)

people_table = sa.Table(
    "people",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),  # rep · manager · ops · admin
    sa.Column("password", sa.Text, nullable=False),  # its Argon2 hash; empty: none opens the desk
    sa.Column("temporary", sa.Integer, nullable=False),  # 1: somebody else knows the password; to be changed
    sa.Column("added_at", sa.DateTime, nullable=False),
    sa.Column("team", sa.Text),
    sa.Column("subject", sa.Text),  # whom the company's sign-in means by that name, once it has
)
# Whom the company's sign-in must not add anew: an administrator has removed them.
removed_table = sa.Table(
    "removed_people",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
)
sessions_table = sa.Table(
    "sessions",
    metadata,
    sa.Column(
        "digest", sa.Text, primary_key=True
    ),  # of what the cookie holds: who reads the store cannot sign in with it
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("began_at", sa.DateTime, nullable=False),
    sa.Column("seen_at", sa.DateTime, nullable=False),  # to about a minute
    sa.Column("ends_at", sa.DateTime, nullable=False),
    sa.Column(
        "browser", sa.Text, nullable=False
    ),  # in plain words, and nothing else of what it says of itself
)
tries_table = sa.Table(
    "tries",
    metadata,
    sa.Column("entry", sa.Integer, primary_key=True),
    sa.Column("whose", sa.Text, nullable=False),  # a name or an address that a password is tried for or from
    sa.Column("at", sa.DateTime, nullable=False),
)
keys_table = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("made_at", sa.DateTime, nullable=False),
    sa.Column("revoked_at", sa.DateTime),
)
audit_table = sa.Table(
    "audit",
    metadata,
    sa.Column("entry", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("lead_id", sa.Text),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("address", sa.Text),  # of the network, where it came from one
)
forgotten_table = sa.Table(
    "forgotten",
    metadata,
    sa.Column(
        "digest", sa.Text, primary_key=True
    ),  # of a key and the lead's id: a pull recognises the lead, and nobody can read it
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
)
arrivals_table = sa.Table(
    "arrivals",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),
    sa.Column("told", sa.Text, nullable=False),  # JSON: what a program told of it, until a snapshot has it
    sa.Column("at", sa.DateTime, nullable=False),
)
requests_table = sa.Table(
    "requests",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),  # of who asked and the key of the request
    sa.Column("body", sa.Text, nullable=False),  # its digest
    sa.Column("batch", sa.Integer),  # what it decided, null where all had been decided before
    sa.Column("at", sa.DateTime, nullable=False),
)
outbox_table = sa.Table(
    "outbox",
    metadata,
    sa.Column("entry", sa.Integer, primary_key=True),
    sa.Column("target", sa.Text, nullable=False),  # where it goes, without a secret
    sa.Column("lead_id", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),  # of the body: what says the same is not sent again
    sa.Column("body", sa.Text, nullable=False),  # JSON
    sa.Column("state", sa.Text, nullable=False),  # waiting · sent · dead
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("said", sa.Text),  # by the other side, when it did not take it
    sa.Column("made_at", sa.DateTime, nullable=False),
    sa.Column("due_at", sa.DateTime, nullable=False),  # not tried before
    sa.Column("ended_at", sa.DateTime),
)
# A view, made by the step "the way back": what a warehouse reads, and what is written back.
current_decisions = sa.table(
    "current_decisions",
    *(
        sa.column(name, sa.Text)
        for name in ("lead_id", "account_id", "grade", "action", "state", "reasons", "version")
    ),
    *(
        sa.column(name, sa.Float)
        for name in ("score", "p_pursue", "p_convert", "p_worked", "low", "high", "value")
    ),
    *(sa.column(name, sa.DateTime) for name in ("until", "as_of", "decided_at")),
)
TABLES = (
    answers_table, worklist_table, people_table, removed_table, sessions_table, tries_table, keys_table, audit_table, forgotten_table,
    arrivals_table, requests_table, notes_table, views_table,
    assignments_table, rescores_table, outbox_table, shadow_table,
)  # fmt: skip


sa.Index("decisions_by_batch", decisions_table.c.batch)


sa.Index("answers_by_time", answers_table.c.at)


sa.Index("worklist_by_worth", WORK.state, WORK.worth.desc(), WORK.lead_id)


# Holds all that is filtered by, in the order of what is counted by: counts and rare finds are read off it
# without a look at the rows.
sa.Index(
    "worklist_counts", WORK.state, WORK.grade, WORK.channel, WORK.country, WORK.owner, WORK.score, WORK.created_at, WORK.asked,
    WORK.answered_by, WORK.worth, WORK.lead_id, WORK.sought, WORK.held_by, WORK.due, WORK.assigned_to,
)  # fmt: skip


sa.Index("people_by_subject", people_table.c.subject, unique=True)


sa.Index("assignments_by_lead", assignments_table.c.lead_id, assignments_table.c.entry)


sa.Index("rescores_by_lead", rescores_table.c.lead_id, rescores_table.c.at, unique=True)


sa.Index("shadow_scores_by_version", shadow_table.c.version)


sa.Index("worklist_by_desk", WORK.assigned_to, WORK.state, WORK.assigned_at)


sa.Index("notes_by_lead", notes_table.c.lead_id, notes_table.c.at)


sa.Index("worklist_by_person", WORK.answered_by, WORK.state, WORK.answered_at)


sa.Index("worklist_by_account", WORK.account_id)


sa.Index("worklist_by_batch", WORK.batch)


sa.Index("tries_by_time", tries_table.c.whose, tries_table.c.at)


sa.Index("requests_by_time", requests_table.c.at)


sa.Index("audit_by_time", audit_table.c.what, audit_table.c.at)


sa.Index("outbox_by_lead", outbox_table.c.target, outbox_table.c.lead_id, outbox_table.c.entry)


sa.Index(
    "outbox_by_state",
    outbox_table.c.target,
    outbox_table.c.state,
    outbox_table.c.lead_id,
    outbox_table.c.entry,
)
