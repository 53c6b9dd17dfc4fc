"""The decision log."""

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
        if_not_exists=True,  # logs were made before their steps were numbered
    )
    op.create_index("decisions_by_batch", "decisions", ["batch"], if_not_exists=True)
