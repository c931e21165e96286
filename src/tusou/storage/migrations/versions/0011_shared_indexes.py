"""What indexes that several servers share have not followed yet, and when they were written."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "stale_items",
        sa.Column("item_id", _ID, autoincrement=False, nullable=False),
        sa.Column("library_id", _ID, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_stale_items")),
    )
    op.create_index(op.f("ix_stale_items_since"), "stale_items", ["since"])
    op.create_table(
        "index_times",
        sa.Column("library_id", _ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("library_id", "kind", name=op.f("pk_index_times")),
    )
