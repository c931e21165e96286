"""Imports, exports, rebuilds and moves beside changes of many pictures, and who is told."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for column in (
        sa.Column("options", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("failed", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("asked", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("began", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("webhook", sa.Text(), nullable=False, server_default=""),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("tell_at", sa.BigInteger(), nullable=True),
    ):
        op.add_column("batches", column)
    op.add_column(
        "capacity_requests", sa.Column("pack", sa.Text(), nullable=False, server_default="")
    )
