"""Which team somebody belongs to: a manager sees and moves the leads of the own one."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("people", sa.Column("team", sa.Text))
