"""What a challenger would have done with the leads that the champion decided."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "shadow_scores",
        sa.Column("lead_id", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("as_of", sa.DateTime, nullable=False),
        *(sa.Column(name, sa.Float) for name in ("p_pursue", "p_convert", "p_both", "score")),
        sa.Column("grade", sa.Text),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("cut", sa.Float),
        sa.Column("cut_by", sa.Text),
    )
    op.create_index("shadow_scores_by_version", "shadow_scores", ["version"])
