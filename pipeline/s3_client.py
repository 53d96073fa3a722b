"""S3 client, for Amazon or other providers, with one-line error messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.errors import PipelineError

AT_ONCE = 16
START_OVER = (
    "PreconditionFailed",
    "412",
    "InvalidRange",
    "416",
)  # the object was replaced during the download, or nothing is left to resume
GONE = ("NoSuchKey", "404")
REMEDIES = {
    "ExpiredToken": "refuses access: the credentials have expired; renew them",
    "InvalidAccessKeyId": "refuses access: the access key is unknown; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "refuses access: the secret key is wrong; check AWS_SECRET_ACCESS_KEY",
    "InvalidObjectState": "is archived (Glacier); restore it in S3 first, which takes minutes to hours",
    "SlowDown": "receives too many requests; try again later, or with fewer workers",
}
# Problems of a single object; the others can still be read.
OBJECT_PROBLEMS = {
    "InvalidObjectState": REMEDIES["InvalidObjectState"],
    **dict.fromkeys(GONE, "was deleted after the bucket was listed"),
}
DENIED_CODES, MISSING_CODES = ("AccessDenied", "403"), ("NoSuchBucket", *GONE)  # S3 answers HEAD with numbers


def open_client(*, endpoint_url: str | None = None, region: str | None = None, unsigned: bool = False) -> Any:
    """Create a boto3 client. boto3 finds the credentials; with `unsigned`, none are needed."""
    import boto3  # slow to import, and every stage imports this module
    from botocore import UNSIGNED
    from botocore.config import Config

    # Create a new session: the default session would keep the first credentials that it found.
    return boto3.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        config=Config(
            signature_version=UNSIGNED if unsigned else None,
            retries={"mode": "standard"},  # AWS_MAX_ATTEMPTS sets their number
            max_pool_connections=AT_ONCE,
            connect_timeout=10,
        ),
    )


def listed(client: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield Key, Size and ETag of every object below a prefix, in S3's order: sorted by key."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", ())


@contextmanager
def explained(
    shown: str, kind: type[PipelineError], *, correct: str, public: str, reach: str
) -> Iterator[None]:
    """Convert boto's errors to `kind` with a one-line message; boto's own messages may contain secrets.

    shown: the bucket and prefix, without secrets.
    correct: the setting to check if they do not exist.
    public: the setting that reads a public bucket without credentials.
    reach: what to check if the server does not answer.
    """
    from botocore import exceptions as boto

    try:
        yield
    except boto.ProfileNotFound:
        raise kind(
            f"{shown} needs credentials, and the profile in AWS_PROFILE does not exist; correct or unset it"
        ) from None
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError):
        raise kind(
            f"{shown} needs credentials, and none were found; set AWS_ACCESS_KEY_ID and"
            f" AWS_SECRET_ACCESS_KEY, or AWS_PROFILE{public and f', or {public} if the bucket is public'}"
        ) from None
    except boto.ClientError as error:
        code = code_of(error)
        remedy = REMEDIES.get(code, "failed on the server; try again later")
        if code in DENIED_CODES:
            hint = public and f"; for a public bucket set {public}"
            remedy = f"refuses access; check the credentials and the bucket's policy{hint}"
        if code in MISSING_CODES:
            remedy = f"does not exist; correct {correct}"
        raise kind(f"{shown} {remedy} ({code})") from None
    except boto.BotoCoreError as error:
        raise kind(f"{shown} cannot be reached ({type(error).__name__}); check {reach}") from None


def code_of(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
