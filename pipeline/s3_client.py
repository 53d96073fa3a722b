"""The door to S3, Amazon's or another provider's: a client, and its errors in one line each."""

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
)  # the object was replaced; nothing is left to resume
GONE = ("NoSuchKey", "404")
REMEDIES = {
    "ExpiredToken": "refuses access: the credentials have expired; renew them",
    "InvalidAccessKeyId": "refuses access: the access key is unknown; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "refuses access: the secret key is wrong; check AWS_SECRET_ACCESS_KEY",
    "InvalidObjectState": "is archived (Glacier); restore it in S3 first, which takes minutes to hours",
    "SlowDown": "is asked too often; try again later, or with fewer workers",
}
# Of one object, while the others can be read.
OBJECT_PROBLEMS = {
    "InvalidObjectState": REMEDIES["InvalidObjectState"],
    **dict.fromkeys(GONE, "was deleted after the bucket was listed"),
}
DENIED_CODES, MISSING_CODES = ("AccessDenied", "403"), ("NoSuchBucket", *GONE)  # S3 answers HEAD with numbers


def open_client(*, endpoint_url: str | None = None, region: str | None = None, unsigned: bool = False) -> Any:
    """A boto3 client; boto3 finds the credentials, `unsigned` needs none."""
    import boto3  # slow to import, and every stage imports this module
    from botocore import UNSIGNED
    from botocore.config import Config

    # A session of its own: the default one would keep the first credentials it found.
    return boto3.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        config=Config(
            signature_version=UNSIGNED if unsigned else None,
            retries={"mode": "standard"},  # AWS_MAX_ATTEMPTS sets how many
            max_pool_connections=AT_ONCE,
            connect_timeout=10,
        ),
    )


def listed(client: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield Key, Size and ETag of every object below a prefix, sorted by key as S3 does."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", ())


@contextmanager
def explained(
    shown: str, kind: type[PipelineError], *, correct: str, public: str, reach: str
) -> Iterator[None]:
    """Turn boto's errors into one line of `kind`; their own texts may show secrets.

    shown: the bucket and prefix, without secrets. correct: the setting to check when they do not exist.
    public: how to read a public bucket without credentials. reach: what to check when nothing answers.
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
            wants = public and f"; for a public bucket set {public}"
            remedy = f"refuses access; check the credentials and the bucket's policy{wants}"
        if code in MISSING_CODES:
            remedy = f"does not exist; correct {correct}"
        raise kind(f"{shown} {remedy} ({code})") from None
    except boto.BotoCoreError as error:
        raise kind(f"{shown} cannot be reached ({type(error).__name__}); check {reach}") from None


def code_of(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
