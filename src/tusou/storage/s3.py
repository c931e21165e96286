"""Picture files in a bucket of Amazon S3, or of any store that speaks its language."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tusou.errors import Problem, TusouError
from tusou.storage.blobs import check_name

_MISSING = {"NoSuchKey", "404"}
_REGION = "us-east-1"  # what stores of one's own answer to; Amazon's is in AWS_REGION


class S3Blobs:
    """Blobs in a bucket.

    Credentials, region and proxy are where every program of Amazon's looks for them: in AWS_…
    variables, in ~/.aws, or with the machine.

    Args:
        bucket: Its name.
        prefix: What names begin with in the bucket, such as `tusou/`; may be empty.
        endpoint: Address of the store; empty: Amazon's.
    """

    def __init__(self, bucket: str, prefix: str = "", endpoint: str = "") -> None:
        config = Config(
            connect_timeout=2,
            read_timeout=10,
            retries={"mode": "standard", "max_attempts": 3},
            max_pool_connections=32,
            # Stores of one's own have one host name for all buckets.
            s3={"addressing_style": "path" if endpoint else "auto"},
            # Checksums of a newer kind, which not every store knows, only where they must be.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        session = boto3.session.Session()
        self._client = session.client(
            "s3",
            endpoint_url=endpoint or None,
            region_name=session.region_name or _REGION,
            config=config,
        )
        self._bucket = bucket
        self._prefix = prefix

    def put(self, name: str, data: bytes) -> None:
        """Write an object, which the store shows whole or not at all."""
        check_name(name)
        with _translated():
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=data)

    def put_all(self, blobs: Mapping[str, bytes]) -> None:
        """Write several, one after the other."""
        for name, data in blobs.items():
            self.put(name, data)

    def get(self, name: str) -> bytes:
        """Read a blob; KeyError where there is none."""
        check_name(name)
        with _translated(name):
            found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            with found["Body"] as body:
                return bytes(body.read())

    def delete(self, name: str) -> None:
        """Remove a blob; nothing happens where there is none."""
        check_name(name)
        with _translated():
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def names(self) -> Iterator[tuple[str, float]]:
        """All names with their times, a thousand a request."""
        pages = self._client.get_paginator("list_objects_v2")
        with _translated():
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for row in page.get("Contents", []):
                    yield row["Key"].removeprefix(self._prefix), row["LastModified"].timestamp()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@contextmanager
def _translated(name: str = "") -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        said = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if name and said in _MISSING:
            raise KeyError(name) from None
        raise TusouError(Problem.UNAVAILABLE, "the picture store did not answer") from error
