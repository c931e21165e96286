"""Signatures beside visual words, and sketches.

Words without signatures are forgotten, and made anew at the next start.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("DELETE FROM words")
    with op.batch_alter_table("keypoints", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sketch", sa.LargeBinary(), nullable=True))
