"""Whose desk a lead is on, and every change of it; the list of leads is filled anew with it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "assignments",
        sa.Column("entry", sa.Integer, primary_key=True),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("person", sa.Text),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_index("assignments_by_lead", "assignments", ["lead_id", "entry"])
    op.execute("DELETE FROM worklist")
    op.add_column("worklist", sa.Column("assigned_to", sa.Text))
    op.add_column("worklist", sa.Column("assigned_at", sa.DateTime))
    op.create_index("worklist_by_desk", "worklist", ["assigned_to", "state", "assigned_at"])
