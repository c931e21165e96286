"""Pictures that show the same, how far they were looked for, and what was decided."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "scans",
        sa.Column("library_id", _ID, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["library_id"], ["libraries.id"], name=op.f("fk_scans_library_id_libraries")
        ),
        sa.PrimaryKeyConstraint("library_id", name=op.f("pk_scans")),
    )
    for table, score in (("same_pairs", True), ("different_pairs", False)):
        columns = [sa.Column("score", sa.Float(), nullable=False)] if score else []
        op.create_table(
            table,
            sa.Column("first", _ID, autoincrement=False, nullable=False),
            sa.Column("second", _ID, autoincrement=False, nullable=False),
            sa.Column("library_id", _ID, nullable=False),
            *columns,
            sa.ForeignKeyConstraint(
                ["first"],
                ["items.id"],
                name=op.f(f"fk_{table}_first_items"),
                ondelete="CASCADE",
            ),
            sa.ForeignKeyConstraint(
                ["second"],
                ["items.id"],
                name=op.f(f"fk_{table}_second_items"),
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint("first", "second", name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_second"), table, ["second"])
        op.create_index(op.f(f"ix_{table}_library_id"), table, ["library_id"])
    op.create_table(
        "kept_pictures",
        sa.Column("item_id", _ID, autoincrement=False, nullable=False),
        sa.Column("library_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["items.id"],
            name=op.f("fk_kept_pictures_item_id_items"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_kept_pictures")),
    )
    op.create_index(op.f("ix_kept_pictures_library_id"), "kept_pictures", ["library_id"])
