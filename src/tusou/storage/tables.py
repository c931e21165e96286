"""The SQL tables: the truth that every index is rebuilt from.

Times are UTC seconds since 1970, as integers. Signs are signed 64-bit numbers (`int(ContSign)`).
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
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


def _pair() -> list[Column[int]]:
    def item(name: str) -> Column[int]:
        return Column(name, _Id, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True)

    return [item("first"), item("second"), Column("library_id", _Id, nullable=False)]


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

# What an operator has set of plans, over those that come with tusou.
plans = Table(
    "plans",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("title", Text, nullable=False),
    Column("chinese", Text, nullable=False),
    Column("days", Integer),  # its totals are good for so long; empty: for ever
    # JSON, {"SERVICE/CALL": {"qps": N, "daily": N, "total": N or null}}, * for any of them
    Column("limits", Text, nullable=False),
    Column("version", String(16), nullable=False),  # another one after every change
)

# The names that programs of the private interface sign up under, and whose libraries they mean.
signups = Table(
    "signups",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("app_id", _Id, ForeignKey("apps.id"), nullable=False),
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
    # What a list of pictures is filtered by, in its order: half a million are looked through
    # without reading their rows.
    Index("ix_items_listing", "library_id", "id", "class1", "class2", "brief"),
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
# Libraries on their way to another pack. Where it is the library's own: only tidying is left.
moves = Table(
    "moves",
    metadata,
    Column("library_id", _Id, ForeignKey("libraries.id"), primary_key=True, autoincrement=False),
    Column("pack", Text, nullable=False),
    Column("problem", Text, nullable=False),  # why it rests; empty: it goes on
    Column("started", BigInteger, nullable=False),
)
words = Table(
    "words",
    metadata,
    Column("item_id", _Id, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
    Column("library_id", _Id, nullable=False),
    # Of all keypoints the numbers, little-endian uint16, and then the signatures, uint32.
    Column("words", LargeBinary, nullable=False),
    Index(None, "library_id"),
)
keypoints = Table(
    "keypoints",
    metadata,
    Column("item_id", _Id, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
    Column("keypoints", LargeBinary, nullable=False),  # vision.keypoints.pack
    Column("sketch", LargeBinary),  # vision.sketch.pack; null in rows of older versions
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

# No foreign key: a count must never be refused.
usage = Table(
    "usage",
    metadata,
    Column("app_id", _Id, primary_key=True, autoincrement=False),
    Column("service", String(32), primary_key=True),
    Column("operation", String(16), primary_key=True),
    Column("hour", BigInteger, primary_key=True),  # its first second
    Column("code", Integer, primary_key=True),  # of the error; 0: success
    Column("calls", BigInteger, nullable=False),
    Index(None, "app_id", "hour"),
)
# The last batch of counts that each process wrote, so that a batch sent again is not added again.
usage_writers = Table(
    "usage_writers",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("batch", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
)

# Money is in millionths of the currency's unit. An application without an account pays nothing.
accounts = Table(
    "accounts",
    metadata,
    Column("app_id", _Id, ForeignKey("apps.id"), primary_key=True, autoincrement=False),
    Column("plan", String(32), nullable=False),  # of the price list: its free allowances
    Column("balance", BigInteger, nullable=False),  # kept equal to its ledger, in one transaction
    Column("settled", BigInteger, nullable=False),  # hours that begin before this are charged
    Column("warned", SmallInteger, nullable=False),  # days of the last warning; see shortages
    Column("opened", BigInteger, nullable=False),
)
ledger = Table(
    "ledger",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("app_id", _Id, ForeignKey("accounts.app_id"), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),  # top-up, package, qps, calls, refund, withdrawal
    Column("amount", BigInteger, nullable=False),  # what the balance grew by
    Column("service", String(32), nullable=False),  # empty: of none in particular
    Column("operation", String(16), nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "app_id", "time"),
    sqlite_autoincrement=True,
)
# Calls that are paid as they come; a call that is not here ends with its packages.
paid_calls = Table(
    "paid_calls",
    metadata,
    Column("app_id", _Id, ForeignKey("accounts.app_id"), primary_key=True, autoincrement=False),
    Column("service", String(32), primary_key=True),
    Column("operation", String(16), primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),  # empty: still
)
packages = Table(
    "packages",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("app_id", _Id, ForeignKey("accounts.app_id"), nullable=False),
    Column("service", String(32), nullable=False),
    Column("operation", String(16), nullable=False),
    Column("kind", String(16), nullable=False),  # free, bought, granted
    Column("size", BigInteger, nullable=False),
    Column("left", BigInteger, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("bought", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("refunded", BigInteger),
    CheckConstraint('"left" BETWEEN 0 AND size', name="ck_packages_left"),
    Index(None, "app_id", "service", "operation"),
    sqlite_autoincrement=True,
)
qps_addons = Table(
    "qps_addons",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("app_id", _Id, ForeignKey("accounts.app_id"), nullable=False),
    Column("service", String(32), nullable=False),
    Column("operation", String(16), nullable=False),
    Column("qps", Integer, nullable=False),
    Column("begins", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("bought", BigInteger, nullable=False),
    Index(None, "app_id", "service", "operation"),
    sqlite_autoincrement=True,
)
# One row an hour and call: the key makes it impossible to charge an hour twice.
charges = Table(
    "charges",
    metadata,
    Column("app_id", _Id, ForeignKey("accounts.app_id"), primary_key=True, autoincrement=False),
    Column("service", String(32), primary_key=True),
    Column("operation", String(16), primary_key=True),
    Column("hour", BigInteger, primary_key=True),  # its first second
    Column("calls", BigInteger, nullable=False),  # that succeeded
    Column("failed", BigInteger, nullable=False),  # that failed in the service
    Column("free", BigInteger, nullable=False),  # of `calls`: from the free allowance
    Column("packaged", BigInteger, nullable=False),  # of `calls`: from packages
    Column("metered", BigInteger, nullable=False),  # of `calls`: paid as they came
    Column("amount", BigInteger, nullable=False),
    Index(None, "app_id", "hour"),
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

# People who sign in to the console.
users = Table(
    "users",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("password", Text, nullable=False),  # argon2id, with its salt and cost
    Column("role", String(16), nullable=False),  # operator, owner, viewer
    Column("created", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
# The applications that owners and viewers have to do with; operators have to do with all.
user_apps = Table(
    "user_apps",
    metadata,
    Column("user_id", _Id, ForeignKey("users.id"), primary_key=True, autoincrement=False),
    Column("app_id", _Id, ForeignKey("apps.id"), primary_key=True, autoincrement=False),
)
sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # SHA-256 of the token
    Column("user_id", _Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("created", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),  # what the browser calls itself
)
# Asked for: a library, or more room in one that is there.
capacity_requests = Table(
    "capacity_requests",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("app_id", _Id, ForeignKey("apps.id"), nullable=False),
    Column("service", String(32), nullable=False),
    Column("pictures", BigInteger, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("decided", BigInteger),  # empty: not yet
    Column("granted", Boolean),
    Column("pack", Text, nullable=False, server_default=""),  # of a new library; empty: any
    Index(None, "app_id", "service"),
    sqlite_autoincrement=True,
)
# Pictures that an index shared by several servers may not have followed yet, even deleted ones.
stale_items = Table(
    "stale_items",
    metadata,
    Column("item_id", _Id, primary_key=True, autoincrement=False),
    Column("library_id", _Id, nullable=False),
    Column("since", BigInteger, nullable=False, index=True),
)
# When libraries were last written to in such an index, by the clock of its engine.
index_times = Table(
    "index_times",
    metadata,
    Column("library_id", _Id, primary_key=True, autoincrement=False),
    Column("kind", String(8), primary_key=True),  # vectors, words
    Column("time", BigInteger, nullable=False),
)
# Work on many pictures: it waits, so that it can be called off, and goes on after a restart.
batches = Table(
    "batches",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("library_id", _Id, ForeignKey("libraries.id"), nullable=False, index=True),
    Column("act", String(16), nullable=False),  # storage.batches.Act
    Column("wanted", Text, nullable=False),  # which pictures: JSON of storage.conditions
    Column("class1", Integer),  # what reclass sets; empty: left as it is
    Column("class2", Integer),
    Column("last", BigInteger, nullable=False),  # how far it has come: a picture's number
    Column("until", BigInteger, nullable=False),  # pictures with greater numbers came later
    Column("state", String(16), nullable=False),  # waiting, running, done, undone, failed
    Column("total", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("problem", Text, nullable=False),
    Column("options", Text, nullable=False, server_default="{}"),  # JSON, what the act needs
    Column("failed", BigInteger, nullable=False, server_default="0"),  # of those that are done
    Column("asked", BigInteger, nullable=False, server_default="0"),
    Column("began", BigInteger),
    Column("ended", BigInteger),
    Column("webhook", Text, nullable=False, server_default=""),  # address; empty: nobody is told
    Column("tries", Integer, nullable=False, server_default="0"),  # to tell it
    Column("tell_at", BigInteger),  # when to try next; empty: not yet, or no more
    sqlite_autoincrement=True,
)

# How far each library was looked through for pictures that show the same.
scans = Table(
    "scans",
    metadata,
    Column("library_id", _Id, ForeignKey("libraries.id"), primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),  # waiting, running, done
    Column("last", BigInteger, nullable=False),  # a picture's number: up to it all are compared
    Column("until", BigInteger, nullable=False),  # pictures with greater numbers came later
    Column("total", BigInteger, nullable=False),  # of pictures that this scan compares
    Column("done", BigInteger, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("problem", Text, nullable=False),  # why it does not go on just now; empty: it does
    Column("revision", BigInteger, nullable=False),  # grows with every pair and decision
)
# Two pictures of one library by their numbers, the smaller first: both tables have each pair once.
same_pairs = Table(
    "same_pairs",
    metadata,
    *_pair(),
    Column("score", Float, nullable=False),
    Index(None, "second"),
    Index(None, "library_id"),
)
different_pairs = Table(  # somebody said so
    "different_pairs", metadata, *_pair(), Index(None, "second"), Index(None, "library_id")
)
# Pictures that somebody would rather keep than the others that show the same.
kept_pictures = Table(
    "kept_pictures",
    metadata,
    Column("item_id", _Id, ForeignKey("items.id", ondelete="CASCADE"), primary_key=True),
    Column("library_id", _Id, nullable=False),
    Index(None, "library_id"),
)
