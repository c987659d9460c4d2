"""The feature cache: each distinct item is encoded once per encoder, ever.

One SQLite file per encoder fingerprint holds, under the hash of an item's content, its feature (a vector or a
sequence with times) or the reason why it has none, with a digest of all that. SQLite gives what the cache
must have: a kill at any moment loses only what was not yet committed, and several processes may write at
once. What is damaged counts as never put.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.errors import BenchError
from bench.files import cache_dir
from encoders import Feature, Undecodable

log = logging.getLogger("bench")

COMMIT_ROWS = 256
COMMIT_SECONDS = 2.0
"""`put` commits after so many rows or seconds, whichever comes first: a kill loses no more."""
BUSY_SECONDS = 60.0
"""How long one process waits for another's commit, which takes milliseconds."""
QUERY_KEYS = 500
FOLDER = "items-2"
"""The folder of the cache's files; another one whenever what they hold changes."""
VALUES, TIMES = np.dtype("<f4"), np.dtype("<f8")
"""How features are stored; the same bytes on every machine."""
COLUMNS = "key, steps, feature, times, reason, digest"


class CacheError(BenchError):
    """The cache cannot be read or written; the message says where it is and how to fix it."""


class Damaged(CacheError):
    """A file of the cache is no longer a database."""


class Row(NamedTuple):
    """One entry as it is stored.

    Attributes:
        key: of the item's content.
        steps: T of a sequence (T, D); None for a vector (D,).
        feature: the bytes of the values; None if there is a reason why there are none.
        times: the bytes of the times, None if they are not known.
        reason: why the item has no feature.
        digest: of all that.
    """

    key: str
    steps: int | None
    feature: bytes | None
    times: bytes | None
    reason: str | None
    digest: bytes | None

    @classmethod
    def of(cls, key: str, result: Feature | Undecodable) -> Row:
        """The entry of a result."""
        if isinstance(result, Undecodable):
            row = cls(key, None, None, None, result.reason.encode(errors="backslashreplace").decode(), None)
        else:
            values, times = result.values, result.times
            steps = len(values) if values.ndim == 2 else None
            stamps = None if times is None else np.ascontiguousarray(times, TIMES).tobytes()
            row = cls(key, steps, np.ascontiguousarray(values, VALUES).tobytes(), stamps, None, None)
        return row._replace(digest=row.sum)

    @property
    def sum(self) -> bytes:
        """The digest of all else."""
        total = hashlib.sha256()
        for part in (self.key, self.steps, self.reason, self.feature, self.times):
            content = part if isinstance(part, bytes) else repr(part).encode()
            total.update(f"{type(part).__name__} {len(content)} ".encode() + content)
        return total.digest()[:16]

    @property
    def intact(self) -> bool:
        """Whether it is what was written; a damaged database may return any type in any column."""
        return self.digest == self.sum

    @property
    def result(self) -> Feature | Undecodable:
        """The result whose entry this is."""
        if self.feature is None:
            return Undecodable(str(self.reason))
        values = np.frombuffer(self.feature, VALUES)
        times = None if self.times is None else np.frombuffer(self.times, TIMES)
        return Feature(values if self.steps is None else values.reshape(self.steps, -1), times)


class ItemCache:
    """Features of one encoder by content key.

    Every call opens the file anew, so an instance may be shared by threads, pickled, and carried over a fork.

    Args:
        fingerprint: of the encoder; names the file.
        root: the folder of all such files; default ``cache_dir() / FOLDER``.

    Raises:
        CacheError: from every method, if the file cannot be opened, read or written.
    """

    def __init__(self, fingerprint: str, root: Path | None = None):
        self.path = (root or cache_dir() / FOLDER) / f"{fingerprint}.sqlite"

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The distinct keys the cache knows nothing of, in order; failures count as known.

        Damaged entries, or a damaged file, are named in a warning, removed, and missing.
        """
        distinct = list(dict.fromkeys(keys))
        try:
            with self._open() as database:
                intact: dict[str, bool] = {}
                for batch in _batches(distinct, QUERY_KEYS):  # features are looked at and let go
                    intact |= {row.key: row.intact for row in _select(database, batch)}
                damaged = [(key,) for key, whole in intact.items() if not whole]
                if damaged:
                    what = f"{len(damaged)} items in the feature cache {self.path} are damaged"
                    log.warning("%s; they are encoded again", what)
                    database.executemany("DELETE FROM items WHERE key = ?", damaged)
        except Damaged as error:
            log.warning("%s", error)
            self._remove()
            return distinct
        return [key for key in distinct if not intact.get(key)]

    def put(self, pairs: Iterable[tuple[str, Feature | Undecodable]]) -> None:
        """Store results as they come; what is already stored stays as it is.

        `pairs` may be lazy, as in ``put(zip(missing, encoder.encode(items)))``: it is consumed outside any
        transaction, and committed in small batches, so that a killed run has kept nearly all its work.
        """
        with self._open() as database:
            rows, since = [], time.monotonic()
            for key, result in pairs:
                rows.append(Row.of(key, result))
                if len(rows) >= COMMIT_ROWS or time.monotonic() - since > COMMIT_SECONDS:
                    _insert(database, rows)
                    rows, since = [], time.monotonic()
            _insert(database, rows)

    def get(self, keys: Iterable[str]) -> dict[str, Feature | Undecodable]:
        """What is stored for each distinct key, in their order.

        Raises:
            KeyError: some keys were never put.
        """
        found: dict[str, Feature | Undecodable] = {}
        distinct = list(dict.fromkeys(keys))
        with self._open() as database:
            for batch in _batches(distinct, QUERY_KEYS):
                found |= {row.key: row.result for row in _select(database, batch) if row.intact}
        absent = len(distinct) - len(found)
        if absent:
            raise KeyError(f"{absent} of {len(distinct)} items are not in {self.path}; encode them first")
        return {key: found[key] for key in distinct}

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Autocommit: transactions are opened and closed by hand, in _insert.
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
                database.text_factory = lambda text: text.decode(errors="replace")
                _prepare(database)
                yield database
        except (sqlite3.OperationalError, OSError) as error:
            raise CacheError(
                f"cannot use the feature cache {self.path} ({error}); "
                f"set the environment variable BENCH_CACHE to a folder you may write to"
            ) from error
        except sqlite3.DatabaseError as error:
            raise Damaged(
                f"the feature cache {self.path} is damaged ({error}); its items are encoded again by each "
                f"command that needs them"
            ) from error

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def _prepare(database: sqlite3.Connection) -> None:
    """Create the table, and let readers and writers not wait for each other, where the file system can."""
    try:
        database.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # Changing the mode does not wait for other processes. If one is at work, it has done it or will.
        if "locked" not in str(error):
            raise
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS items "
        "(key TEXT PRIMARY KEY, steps INTEGER, feature BLOB, times BLOB, reason TEXT, digest BLOB)"
    )


def _insert(database: sqlite3.Connection, rows: list[Row]) -> None:
    if not rows:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        database.executemany("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _select(database: sqlite3.Connection, keys: Sequence[str]) -> Iterator[Row]:
    places = ", ".join("?" * len(keys))
    found = database.execute(f"SELECT {COLUMNS} FROM items WHERE key IN ({places})", keys)
    asked = frozenset(keys)  # a damaged index may lead to another row
    return (row for row in map(Row._make, found) if row.key in asked)


def _batches(keys: list[str], size: int) -> Iterator[list[str]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))
