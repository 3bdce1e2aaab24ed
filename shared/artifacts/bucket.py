"""Makes the bucket what the pipeline relies on. Safe to repeat."""

import uuid
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from shared.artifacts.client import EXISTS, MISSING, code_of, connect, translated
from shared.artifacts.settings import S3Settings
from shared.errors import FatalError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import LifecycleRuleTypeDef

PROBE = "setup/conditional-write"


def setup(settings: S3Settings) -> None:
    """Create the bucket if it is missing, and set lifecycle and CORS rules.

    FatalError internal when the server ignores `If-None-Match`: without it two attempts of a stage would both
    believe that their result is the one that counts.
    """
    client = connect(settings)
    try:
        _create(client, settings)
        _require_conditional_writes(client, settings.bucket)
        with translated("set lifecycle rules"):
            client.put_bucket_lifecycle_configuration(
                Bucket=settings.bucket, LifecycleConfiguration={"Rules": lifecycle_rules(settings)}
            )
        if settings.cors_origins:
            with translated("set CORS rules"):
                client.put_bucket_cors(
                    Bucket=settings.bucket,
                    CORSConfiguration={
                        "CORSRules": [
                            {
                                "AllowedOrigins": list(settings.cors_origins),
                                "AllowedMethods": ["GET", "HEAD", "PUT"],
                                "AllowedHeaders": ["*"],
                                "ExposeHeaders": ["ETag", "Content-Range", "Accept-Ranges"],
                                "MaxAgeSeconds": 3600,
                            }
                        ]
                    },
                )
    finally:
        client.close()


def lifecycle_rules(settings: S3Settings) -> "list[LifecycleRuleTypeDef]":
    """One expiry per prefix of design section 6, and an end to uploads that nobody finished."""
    days = {
        "latents": settings.days_latents,
        "manifests": settings.days_manifests,
        "videos": settings.days_videos,
        "inputs": settings.days_inputs,
    }
    expiries: list[LifecycleRuleTypeDef] = [
        {
            "ID": f"expire-{prefix}",
            "Status": "Enabled",
            "Filter": {"Prefix": f"{prefix}/"},
            "Expiration": {"Days": count},
        }
        for prefix, count in days.items()
    ]
    return [
        *expiries,
        {
            "ID": "abort-unfinished-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
    ]


def _create(client: "S3Client", settings: S3Settings) -> None:
    with translated("create the bucket"):
        try:
            client.head_bucket(Bucket=settings.bucket)
        except ClientError as error:
            if code_of(error) not in MISSING:
                raise
        else:
            return
        try:
            if settings.endpoint_url is None and settings.region != "us-east-1":
                # AWS wants the region said twice, and refuses to hear its oldest one said at all
                client.create_bucket(
                    Bucket=settings.bucket,
                    CreateBucketConfiguration={"LocationConstraint": settings.region},  # type: ignore[typeddict-item]  # any region
                )
            else:
                client.create_bucket(Bucket=settings.bucket)
        except client.exceptions.BucketAlreadyOwnedByYou:
            return  # another process was quicker


def _require_conditional_writes(client: "S3Client", bucket: str) -> None:
    key = f"{PROBE}-{uuid.uuid4().hex}"
    with translated("probe conditional writes"):
        client.put_object(Bucket=bucket, Key=key, Body=b"first", IfNoneMatch="*")
        try:
            client.put_object(Bucket=bucket, Key=key, Body=b"second", IfNoneMatch="*")
        except ClientError as error:
            if code_of(error) not in EXISTS:
                raise
        else:
            raise FatalError(
                "internal",
                "this S3 server ignores If-None-Match, so two attempts of a stage could both win; "
                "use AWS S3, Cloudflare R2, SeaweedFS or MinIO",
            )
        finally:
            client.delete_object(Bucket=bucket, Key=key)
