"""Leads that a program hands in to be decided at once: what it told of them, and the keys of its requests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "arrivals",
        sa.Column("lead_id", sa.Text, primary_key=True),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "requests",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("batch", sa.Integer),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_index("requests_by_time", "requests", ["at"])
