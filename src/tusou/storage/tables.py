"""The SQL tables: the truth that every index is rebuilt from.

Times are UTC seconds since 1970, as integers. Signs are signed 64-bit numbers (`int(ContSign)`).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes a growing row number only of INTEGER; other databases need 64 bits said.
_Id = BigInteger().with_variant(Integer, "sqlite")

apps = Table(
    "apps",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("api_key", String(32), nullable=False, unique=True),
    Column("secret", LargeBinary, nullable=False),  # encrypted with the key file
    Column("services", Text, nullable=False),  # names, comma separated
    Column("enabled", Boolean, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("plan", String(32), nullable=False, server_default="open"),
    Column("plan_since", BigInteger, nullable=False, server_default="0"),
    # What differs from the plan: JSON, {"SERVICE/CALL": {"qps": N, "daily": N, "total": N or null}}
    Column("limits", Text, nullable=False, server_default="{}"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # SHA-256 of the token
    Column("app_id", _Id, ForeignKey("apps.id"), nullable=False, index=True),
    Column("kind", String(8), nullable=False),  # access, refresh
    Column("expires", BigInteger, nullable=False, index=True),
)

libraries = Table(
    "libraries",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("app_id", _Id, ForeignKey("apps.id"), nullable=False),
    Column("service", String(32), nullable=False),
    Column("pack", Text, nullable=False),  # the model pack that fills it
    Column("capacity", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),  # kept equal to its items, in their transactions
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("app_id", "service"),
    sqlite_autoincrement=True,
)

# Numbers are never used twice (autoincrement): indexes name pictures by them.
items = Table(
    "items",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("library_id", _Id, ForeignKey("libraries.id"), nullable=False),
    Column("sign", BigInteger, nullable=False),
    Column("brief", Text, nullable=False),
    Column("class1", Integer, nullable=False),  # 0: none
    Column("class2", Integer, nullable=False),
    Column("blob", Text, nullable=False),  # name in the blob store; empty: not kept
    Column("media_type", String(32), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("width", SmallInteger, nullable=False),
    Column("height", SmallInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    UniqueConstraint("library_id", "sign"),
    sqlite_autoincrement=True,
)

# Features by width: a rebuild of the vectors does not read the keypoints.
vectors = Table(
    "vectors",
    metadata,
    Column("item_id", _Id, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
    Column("pack", Text, primary_key=True),  # the model pack that made it
    Column("library_id", _Id, nullable=False),
    Column("vector", LargeBinary, nullable=False),  # D little-endian float16
    Index(None, "library_id"),
)
words = Table(
    "words",
    metadata,
    Column("item_id", _Id, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
    Column("library_id", _Id, nullable=False),
    Column("words", LargeBinary, nullable=False),  # little-endian uint16, one a keypoint
    Index(None, "library_id"),
)
keypoints = Table(
    "keypoints",
    metadata,
    Column("item_id", _Id, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
    Column("keypoints", LargeBinary, nullable=False),  # vision.keypoints.pack
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("app_id", _Id, ForeignKey("apps.id"), nullable=False, index=True),
    Column("log_id", BigInteger),  # of the search it speaks of
    Column("service", String(32)),
    Column("sign", BigInteger),  # the picture it speaks of
    Column("score", Float),
    Column("correct", Boolean),
    Column("blob", Text, nullable=False),  # the query picture; empty: not sent
    Column("payload", Text, nullable=False),  # as it came, less the picture, JSON
    Column("created", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

# Never changed and never deleted from.
audit = Table(
    "audit",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("act", String(32), nullable=False),  # such as app.reset_key
    Column("app_id", _Id, index=True),  # no foreign key: outlives what it speaks of
    Column("facts", Text, nullable=False),  # JSON, never a secret
    sqlite_autoincrement=True,
)
