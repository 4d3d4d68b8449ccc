"""What the service has accepted, in SQLite: a job holds items, an item is one file to be worked on.

An item is queued, running, done or failed. Writing is one short transaction each; after a crash ``recover`` queues
again what was running, so that nothing accepted is lost. Files lie beside the database under the item's own name.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

State = Literal["queued", "running", "done", "failed"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, task TEXT NOT NULL, options TEXT NOT NULL,
  waited INTEGER NOT NULL, created REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS item (
  id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL REFERENCES job(id) ON DELETE CASCADE, n INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'queued', attempts INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0,
  result TEXT, problem TEXT NOT NULL DEFAULT '', ended REAL
);
CREATE INDEX IF NOT EXISTS item_of_job ON item(job, n);
CREATE INDEX IF NOT EXISTS item_by_state ON item(state, id);
"""
_COLUMNS = "item.id, item.job, item.n, item.state, item.attempts, item.status, item.result, item.problem, job.task, job.options, job.waited"


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a job. state: "queued", "running", "done" or "failed". attempts: how often it was begun.

    result: what the task gave, None before it is done. problem, status: why it failed, as a sentence and HTTP status.
    waited: whether a client waits for it on the line.
    """

    id: int
    job: str
    n: int
    state: State
    attempts: int
    status: int
    result: dict[str, Any] | None
    problem: str
    task: str
    options: dict[str, Any]
    waited: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its owner sees it. owner: the name of a key, "" without keys. created: seconds since the epoch."""

    id: str
    owner: str
    task: str
    created: float
    items: tuple[Item, ...]

    @property
    def state(self) -> State:
        """ "queued" until an item has begun, then "running" until all have ended, then "done", or "failed" if all have."""
        states = {item.state for item in self.items}
        if states == {"failed"}:
            return "failed"
        if states <= {"done", "failed"}:
            return "done"
        return "queued" if states == {"queued"} else "running"


class Jobs:
    """The database of one service. Used from one thread. ``folder``/jobs.sqlite holds it, ``folder``/uploads the files."""

    def __init__(self, folder: Path) -> None:
        self.uploads = folder / "uploads"
        self.uploads.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "jobs.sqlite", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the database; what it holds stays."""
        self._db.close()

    def upload(self, job: str, n: int) -> Path:
        """Where the bytes of an item lie."""
        return self.uploads / f"{job}.{n}"

    def output(self, job: str, n: int) -> Path:
        """Where the file that an item makes is put, if its task makes one."""
        return self.uploads / f"{job}.{n}.out"

    def add(
        self, job: str, owner: str, task: str, options: Mapping[str, Any], *, items: int, waited: bool
    ) -> None:
        """Accept a job of ``items`` files, which are in place already. waited: a client waits for it on the line."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                "INSERT INTO job VALUES (?, ?, ?, ?, ?, ?)",
                (job, owner, task, json.dumps(options), waited, time.time()),
            )
            self._db.executemany("INSERT INTO item (job, n) VALUES (?, ?)", [(job, n) for n in range(items)])
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def claim(self, *, waited_only: bool) -> Item | None:
        """The next item, now running: those that a client waits for first, then in order of arrival."""
        which = "AND job.waited" if waited_only else ""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM item JOIN job ON job.id = item.job WHERE state = 'queued' {which} "
            "ORDER BY job.waited DESC, item.id LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        self._db.execute("UPDATE item SET state = 'running', attempts = attempts + 1 WHERE id = ?", (row[0],))
        return _item((*row[:3], "running", row[4] + 1, *row[5:]))

    def requeue(self, item: Item, *, uncounted: bool = False) -> None:
        """Queue an item again, in its old place. uncounted: as if it had not been begun."""
        self._db.execute(
            "UPDATE item SET state = 'queued', attempts = attempts - ? WHERE id = ?",
            (int(uncounted), item.id),
        )

    def done(self, item: Item, result: Mapping[str, Any]) -> None:
        """Keep the result of an item."""
        self._db.execute(
            "UPDATE item SET state = 'done', result = ?, ended = ? WHERE id = ?",
            (json.dumps(result), time.time(), item.id),
        )

    def failed(self, item: Item, problem: str, status: int) -> None:
        """Keep why an item has no result."""
        self._db.execute(
            "UPDATE item SET state = 'failed', problem = ?, status = ?, ended = ? WHERE id = ?",
            (problem, status, time.time(), item.id),
        )

    def get(self, job: str) -> Job | None:
        """A job with its items in order, None where there is none of that id."""
        head = self._db.execute("SELECT id, owner, task, created FROM job WHERE id = ?", (job,)).fetchone()
        if head is None:
            return None
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM item JOIN job ON job.id = item.job WHERE job = ? ORDER BY n", (job,)
        )
        ident, owner, task, created = head
        return Job(ident, owner, task, created, tuple(map(_item, rows)))

    def owned(self, owner: str) -> list[str]:
        """Ids of the jobs of an owner that nobody waits for on the line, the newest first."""
        rows = self._db.execute(
            "SELECT id FROM job WHERE owner = ? AND NOT waited ORDER BY created DESC, id", (owner,)
        )
        return [row[0] for row in rows]

    def delete(self, job: str, *, keep_files: bool = False) -> bool:
        """Forget a job, and its files unless told otherwise. Returns whether there was one."""
        if not keep_files:
            for path in self.uploads.glob(f"{job}.*"):
                path.unlink(missing_ok=True)
        return self._db.execute("DELETE FROM job WHERE id = ?", (job,)).rowcount > 0

    def hand_over(self, job: str) -> None:
        """Make a job that a client waited for one that it will ask for."""
        self._db.execute("UPDATE job SET waited = 0 WHERE id = ?", (job,))

    def waiting(self) -> int:
        """How many items are queued."""
        return int(self._db.execute("SELECT count(*) FROM item WHERE state = 'queued'").fetchone()[0])

    def recover(self) -> int:
        """After a start: queue what was running, forget what clients waited for, remove files of nobody.

        Returns how many items are queued now.
        """
        for (job,) in self._db.execute("SELECT id FROM job WHERE waited").fetchall():
            self.delete(job)
        self._db.execute("UPDATE item SET state = 'queued' WHERE state = 'running'")
        known = {row[0] for row in self._db.execute("SELECT id FROM job")}
        for path in self.uploads.iterdir():
            if path.name.split(".")[0] not in known:
                path.unlink(missing_ok=True)
        return self.waiting()

    def prune(self, older_than: float) -> int:
        """Forget jobs all of whose items ended ``older_than`` seconds ago or earlier. Returns how many."""
        rows = self._db.execute(
            "SELECT job FROM item GROUP BY job HAVING count(*) = count(ended) AND max(ended) <= ?",
            (time.time() - older_than,),
        ).fetchall()
        for (job,) in rows:
            self.delete(job)
        return len(rows)


def new_id() -> str:
    """An id that nobody guesses: 128 bits, safe in a path and in a URL."""
    return secrets.token_hex(16)


def _item(row: tuple[Any, ...]) -> Item:
    ident, job, n, state, attempts, status, result, problem, task, options, waited = row
    return Item(
        ident, job, n, state, attempts, status,
        None if result is None else json.loads(result), problem, task, json.loads(options), bool(waited),
    )  # fmt: skip
