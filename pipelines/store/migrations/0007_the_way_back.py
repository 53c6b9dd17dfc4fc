"""What is written to other systems, and the decisions as a warehouse reads them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("entry", sa.Integer, primary_key=True),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("lead_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("said", sa.Text),
        sa.Column("made_at", sa.DateTime, nullable=False),
        sa.Column("due_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
    )
    op.create_index("outbox_by_lead", "outbox", ["target", "lead_id", "entry"])
    op.create_index("outbox_by_state", "outbox", ["target", "state", "lead_id", "entry"])
    anew = (
        "grade",
        "score",
        "p_pursue",
        "p_convert",
        "p_worked",
        "low",
        "high",
        "value",
        "action",
        "reasons",
        "version",
    )
    said = ", ".join(f"CASE WHEN r.entry IS NULL THEN d.{name} ELSE r.{name} END AS {name}" for name in anew)
    op.execute(f"""
        CREATE VIEW current_decisions AS
        SELECT d.lead_id, d.account_id, {said},
               COALESCE(w.state, CASE COALESCE(r.action, d.action) WHEN 'hold' THEN 'held' ELSE 'open' END) AS state, w.until,
               d.channel, d.owner, d.batch, COALESCE(r.at, d.as_of) AS as_of, d.decided_at
        FROM decisions d
        LEFT JOIN worklist w ON w.lead_id = d.lead_id
        LEFT JOIN rescores r ON r.lead_id = d.lead_id AND r.at = (SELECT MAX(at) FROM rescores n WHERE n.lead_id = d.lead_id)
        WHERE substr(d.lead_id, 1, 10) <> 'forgotten-'
    """)
