"""The list is counted off one index that holds all that is filtered by."""

from alembic import op

revision = "0003"
down_revision = "0002"
COLUMNS = [
    "state", "grade", "channel", "country", "owner", "score", "created_at", "asked", "answered_by", "worth", "lead_id", "sought",
]  # fmt: skip


def upgrade() -> None:
    op.drop_index("worklist_by_grade", "worklist")
    op.drop_index("worklist_by_owner", "worklist")
    op.create_index("worklist_counts", "worklist", COLUMNS)
