"""Plans and limits of applications, and the record of administrative acts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # Not in batch: that would make the table anew, which the tables that refer to it forbid.
    op.add_column("apps", sa.Column("plan", sa.String(32), nullable=False, server_default="open"))
    op.add_column(
        "apps", sa.Column("plan_since", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column("apps", sa.Column("limits", sa.Text(), nullable=False, server_default="{}"))
    op.execute("UPDATE apps SET plan_since = created")
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("act", sa.String(length=32), nullable=False),
        sa.Column("app_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_app_id"), ["app_id"], unique=False)
