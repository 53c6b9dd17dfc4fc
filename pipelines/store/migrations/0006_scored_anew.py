"""Leads that wait are scored anew when they have done something; the list of leads is filled anew with it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "rescores",
        sa.Column("entry", sa.Integer, primary_key=True),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
        sa.Column("because", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        *(
            sa.Column(name, sa.Float)
            for name in ("p_pursue", "p_convert", "p_both", "p_worked", "low", "high")
        ),
        sa.Column("p_worked_by", sa.Text),
        sa.Column("extrapolated", sa.Integer),
        sa.Column("value", sa.Float),
        sa.Column("score", sa.Float),
        sa.Column("grade", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("cut", sa.Float),
        sa.Column("cut_by", sa.Text),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("weights", sa.Text, nullable=False),
    )
    op.create_index("rescores_by_lead", "rescores", ["lead_id", "at"], unique=True)
    op.execute("DELETE FROM worklist")
    op.add_column("worklist", sa.Column("rescored_at", sa.DateTime))
    op.add_column("worklist", sa.Column("because", sa.Text))
    op.add_column("worklist", sa.Column("was_grade", sa.Text))
    op.add_column("worklist", sa.Column("was_score", sa.Float))
