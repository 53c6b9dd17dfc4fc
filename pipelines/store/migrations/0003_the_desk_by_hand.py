"""Notes and next steps on leads, and lists that a person keeps; the list of leads is filled anew with both and
with whose cut holds a lead.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("entry", sa.Integer, primary_key=True),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("words", sa.Text),
        sa.Column("due", sa.DateTime),
        sa.Column("done_at", sa.DateTime),
        sa.Column("done_by", sa.Text),
    )
    op.create_index("notes_by_lead", "notes", ["lead_id", "at"])
    op.create_table(
        "views",
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("title", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
    )
    op.execute("DELETE FROM worklist")
    for column in (
        sa.Column("held_by", sa.Text),
        sa.Column("step", sa.Text),
        sa.Column("due", sa.DateTime),
    ):
        op.add_column("worklist", column)
    op.drop_index("worklist_counts", "worklist")
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
            "held_by",
            "due",
        ],
    )
