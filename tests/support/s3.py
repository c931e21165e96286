"""A store that speaks S3, moto's, on a port of this machine."""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def s3() -> Iterator[str]:
    """The address of a running store; the test is skipped where moto is not installed."""
    pytest.importorskip("moto", reason="scripts/install cluster installs moto")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def new_bucket(endpoint: str) -> dict[str, str]:
    """Make a bucket; returns the variables by which a server finds it."""
    import boto3

    name = f"tusou-{uuid.uuid4().hex}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=name)
    client.close()
    return {**_KEYS, "TUSOU_BLOBS": f"s3://{name}/some/prefix", "TUSOU_S3_ENDPOINT": endpoint}
