"""Decisions, and what the desk keeps: answers, the list that sales works, people, sessions, keys, the audit log and who
was forgotten.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("lead_id", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Text),
        sa.Column("batch", sa.Integer, nullable=False),
        sa.Column("as_of", sa.DateTime, nullable=False),
        sa.Column("decided_at", sa.DateTime, nullable=False),
        sa.Column("p_pursue", sa.Float),
        sa.Column("p_convert", sa.Float),
        sa.Column("p_both", sa.Float),
        sa.Column("p_worked", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("p_worked_by", sa.Text),
        sa.Column("extrapolated", sa.Integer),
        sa.Column("value", sa.Float),
        sa.Column("grade", sa.Text),
        sa.Column("rank", sa.Integer),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("this_week", sa.Integer),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("propensity", sa.Float, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("cut", sa.Float),
        sa.Column("cut_by", sa.Text),
        sa.Column("policy", sa.Text),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("weights", sa.Text),
    )
    op.create_index("decisions_by_batch", "decisions", ["batch"])
    op.create_table(
        "answers",
        sa.Column("lead_id", sa.Text, primary_key=True),
        sa.Column("turn", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("words", sa.Text),
        sa.Column("until", sa.DateTime),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_index("answers_by_time", "answers", ["at"])
    op.create_table(
        "worklist",
        sa.Column("lead_id", sa.Text, primary_key=True),
        sa.Column("account_id", sa.Text),
        sa.Column("batch", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("sought", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("decided_at", sa.DateTime, nullable=False),
        sa.Column("channel", sa.Text),
        sa.Column("country", sa.Text),
        sa.Column("owner", sa.Text),
        sa.Column("grade", sa.Text),
        sa.Column("score", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("p_worked_by", sa.Text),
        sa.Column("value", sa.Float),
        sa.Column("worth", sa.Float, nullable=False),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("this_week", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("answered_by", sa.Text),
        sa.Column("answered_at", sa.DateTime),
        sa.Column("until", sa.DateTime),
    )
    op.create_index("worklist_by_account", "worklist", ["account_id"])
    op.create_index("worklist_by_batch", "worklist", ["batch"])
    op.create_index("worklist_by_person", "worklist", ["answered_by", "state", "answered_at"])
    op.create_index("worklist_by_worth", "worklist", ["state", sa.text("worth DESC"), "lead_id"])
    op.create_index(
        "worklist_counts",
        "worklist",
        [
            "state",
            "grade",
            "channel",
            "country",
            "owner",
            "score",
            "created_at",
            "asked",
            "answered_by",
            "worth",
            "lead_id",
            "sought",
        ],
    )
    op.create_table(
        "people",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("temporary", sa.Integer, nullable=False),
        sa.Column("added_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("ends_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "tries",
        sa.Column("entry", sa.Integer, primary_key=True),
        sa.Column("whose", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_index("tries_by_time", "tries", ["whose", "at"])
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_at", sa.DateTime, nullable=False),
        sa.Column("revoked_at", sa.DateTime),
    )
    op.create_table(
        "audit",
        sa.Column("entry", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("address", sa.Text),
    )
    op.create_index("audit_by_time", "audit", ["what", "at"])
    op.create_table(
        "forgotten",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
    )
