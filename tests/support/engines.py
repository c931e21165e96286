"""Which engines the contract tests run on: those of one machine, and of a cluster when asked to."""

import os
from typing import Final

CLUSTER: Final = bool(os.environ.get("TUSOU_TEST_CLUSTER"))
"""`make test-cluster` says so; the ordinary suite starts no database server."""

DATABASES: Final = ["sqlite", "postgresql"] if CLUSTER else ["sqlite"]
BLOBS: Final = ["folder", "s3"] if CLUSTER else ["folder"]
INDEXES: Final = ["embedded", "milvus"] if CLUSTER else ["embedded"]
