"""SeaweedFS as the S3 of one machine: how to start it, with whose keys, and how to know that it is up.

`weed mini` is master, volume server, filer and S3 gateway in one process, up in about a second. Whoever starts it
(the local cloud, the tests) runs `argv`, waits for `ready()`, and ends it with SIGKILL: a polite SIGTERM takes
half a minute, and what was written is on disk already.
"""

import json
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from shared.ports import HOST, free_ports
from shared.tls import trusted

SERVERS = ("master", "volume", "filer", "s3", "admin")


@dataclass(frozen=True)
class Identity:
    """Somebody with keys of their own, who may do what an AWS IAM policy allows and nothing else."""

    name: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    policy: str
    """The JSON document; SeaweedFS judges by it as AWS does."""


@dataclass(frozen=True)
class Seaweed:
    """One SeaweedFS that can be started. The folder keeps the data between starts, whatever the ports."""

    folder: Path
    access_key_id: str
    secret_access_key: str = field(repr=False)
    """Of the operator, who may do everything."""
    identities: tuple[Identity, ...]
    ports: dict[str, int]
    """Of each server, and of its gRPC twin as `{server}.grpc`."""

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self.ports['s3']}"

    @property
    def argv(self) -> list[str]:
        """The command line. Its ports are all given: the defaults of gRPC are the others plus 10,000."""
        ports = [f"-{server}.port={self.ports[server]}" for server in SERVERS]
        grpc = [f"-{server}.port.grpc={self.ports[f'{server}.grpc']}" for server in SERVERS]
        return [
            str(Path(sysconfig.get_path("scripts")) / "weed"),
            "-logtostderr",  # besides, it would leave log files in /tmp
            "mini",
            f"-dir={self.folder / 'data'}",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            f"-s3.config={self.folder / 's3.json'}",
            "-s3.autoCreateBucket=false",  # a misspelt bucket is an error, as in every other S3
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-webdav=false",
            "-admin.ui=false",
            "-master.telemetry=false",
            *ports,
            *grpc,
        ]

    def identity(self, name: str) -> Identity:
        return {each.name: each for each in self.identities}[name]

    def prepare(self) -> None:
        """Make the folder and write the keys into it."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        config = self.folder / "s3.json"
        config.touch(mode=0o600)
        operator = {
            "name": "mivo",
            "credentials": [{"accessKey": self.access_key_id, "secretKey": self.secret_access_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        others = [
            {
                "name": each.name,
                "credentials": [{"accessKey": each.access_key_id, "secretKey": each.secret_access_key}],
                "policyNames": [each.name],
            }
            for each in self.identities
        ]
        policies = [{"name": each.name, "content": each.policy} for each in self.identities]
        config.write_text(json.dumps({"identities": [operator, *others], "policies": policies}))

    def ready(self) -> bool:
        """Whether it answers by now."""
        try:
            return httpx.get(f"{self.endpoint_url}/healthz", timeout=1, trust_env=False, verify=trusted()).is_success
        except httpx.TransportError:
            return False

    def sweep(self) -> None:
        """Remove the sockets that it leaves behind in /tmp, once it has ended."""
        names = [f"seaweedfs-{server}-{self.ports[server]}.sock" for server in SERVERS]
        names += [f"seaweedfs-{server}-grpc-{self.ports[f'{server}.grpc']}.sock" for server in SERVERS]
        for name in names:
            (Path("/tmp") / name).unlink(missing_ok=True)  # noqa: S108  the path is SeaweedFS's own


def seaweed(
    folder: Path, *, access_key_id: str, secret_access_key: str, identities: tuple[Identity, ...] = ()
) -> Seaweed:
    """A SeaweedFS on ports that are free now, with its data and keys under `folder`."""
    names = [*SERVERS, *(f"{server}.grpc" for server in SERVERS)]
    made = Seaweed(
        folder=folder.resolve(),
        access_key_id=access_key_id,
        secret_access_key=secret_access_key,
        identities=identities,
        ports=dict(zip(names, free_ports(len(names)), strict=True)),
    )
    made.prepare()
    return made
