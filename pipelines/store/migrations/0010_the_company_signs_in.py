"""People who sign in through their company; and counts of what one sees are read off an index."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("people", sa.Column("subject", sa.Text))
    op.create_index("people_by_subject", "people", ["subject"], unique=True)
    op.create_table(
        "removed_people",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
    )
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
            "assigned_to",
        ],
    )
