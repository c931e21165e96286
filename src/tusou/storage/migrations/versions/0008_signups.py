"""Names that programs of the private interface sign up under."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "signups",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("app_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_signups_app_id_apps")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_signups")),
    )
