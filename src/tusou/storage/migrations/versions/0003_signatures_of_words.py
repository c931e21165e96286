"""Signatures beside visual words: what has none is forgotten, and made anew at the next start."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("DELETE FROM words")
