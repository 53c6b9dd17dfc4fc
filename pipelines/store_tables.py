"""The tables of the store as they are today; how they came to be is told by ``store_steps``, and changed there first."""

import sqlalchemy as sa

metadata = sa.MetaData()
decisions_table = sa.Table(
    "decisions",
    metadata,
    sa.Column("lead_id", sa.Text, primary_key=True),  # which is what keeps two runs from deciding a lead twice
    sa.Column("account_id", sa.Text),
    sa.Column("batch", sa.Integer, nullable=False),  # the scoring run: 1, 2, 3 …
    sa.Column("as_of", sa.DateTime, nullable=False),
    sa.Column("decided_at", sa.DateTime, nullable=False),
    sa.Column("p_pursue", sa.Float),
    sa.Column("p_convert", sa.Float),
    sa.Column("p_both", sa.Float),
    sa.Column("low", sa.Float),
    sa.Column("high", sa.Float),
    sa.Column("extrapolated", sa.Integer),  # 1: unlike all that sales ever took up
    sa.Column("value", sa.Float),
    sa.Column("grade", sa.Text),
    sa.Column("rank", sa.Integer),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("this_week", sa.Integer),  # 1: fits into the week's hours
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("propensity", sa.Float, nullable=False),  # of the arm, before the score was known
    sa.Column("score", sa.Float),  # what is cut
    sa.Column("cut", sa.Float),  # in force; null where none was
    sa.Column("cut_by", sa.Text),
    sa.Column("policy", sa.Text),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),  # JSON list of sentences
    sa.Column("channel", sa.Text),
    sa.Column("owner", sa.Text),
    sa.Column("weights", sa.Text),  # JSON list: how far each reason moves the model's sum, in logits
)
sa.Index("decisions_by_batch", decisions_table.c.batch)
