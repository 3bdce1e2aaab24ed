"""May this worker read and write what its stage lives on? Asked when it starts, not after minutes on a GPU."""

from shared.artifacts.client import connect, translated
from shared.artifacts.settings import S3Settings
from shared.contracts.vocabulary import Stage
from shared.errors import MivoError


def probe_key(stage: Stage) -> str:
    """Beside the manifests of the stage, where its keys may write (deploy/s3-policies), and swept with them."""
    return f"manifests/{stage}/start-probe"


def require_usable(settings: S3Settings, stage: Stage) -> None:
    """Writes a few bytes and reads them back.

    TransientError or FatalError says what the server said, and which settings to look at: wrong keys or rights, a
    bucket or a server that is not there.
    """
    client = connect(settings)
    bucket, key = settings.bucket, probe_key(stage)
    try:
        with translated("write a probe"):
            client.put_object(Bucket=bucket, Key=key, Body=b"ltx2", ContentType="text/plain")
        with translated("read a probe"), client.get_object(Bucket=bucket, Key=key)["Body"] as body:
            body.read()
    except MivoError as error:
        at = settings.endpoint_url or f"AWS in {settings.region}"
        raise type(error)(
            error.code, f"{error.message}; S3_ENDPOINT_URL is {at}, S3_BUCKET {bucket}", **error.detail
        ) from error
    finally:
        client.close()
