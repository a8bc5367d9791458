"""One rehearsed restore: a snapshot into a scratch system of its kind, its contents compared with the backup's facts.

What is wrong with the backup is a finding; what is wrong with this host (no program, no room, no server) is
Undetermined and says nothing about the backup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backup_jobs.repository import Snapshot
from backup_jobs.scratch.openbao import ScratchVault, scratch_openbao
from backup_jobs.scratch.postgres import scratch_postgres
from backup_jobs.scratch.workspace import Workspace
from backup_jobs.sources import postgres_restore, vault
from backup_jobs.sources.bucket_restore import digest_objects, to_folder
from backup_jobs.sources.contract import RestoredItem
from backup_jobs.sources.folder import digest_tree
from backup_jobs.sources.tree import write_tree
from strongroom.errors import Undetermined, UsageError
from strongroom.jobs.contract import Clock

#: Called with the kind and the address of the scratch system between load and check; tests and the demo break it here.
BeforeCheck = Callable[[str, Any], None]


@dataclass
class Findings:
    """What a rehearsal found: sentences for people, reason codes and counts for evidence, seconds by phase."""

    problems: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)

    def add(self, reason: str, problem: str) -> None:
        """Adds one difference."""
        self.reasons.append(reason)
        self.problems.append(problem)

    @contextmanager
    def phase(self, name: str, clock: Clock) -> Iterator[None]:
        """Measures a phase; entering the same phase again adds to it."""
        start = clock.monotonic()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + clock.monotonic() - start


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal needs beside the snapshot. `shares` gives OpenBao's unseal shares; the checks run after load."""

    clock: Clock
    shares: Callable[[], list[str]]
    check_database: Callable[[str, Findings], None]
    check_vault: Callable[[ScratchVault, Findings], None]
    before_check: BeforeCheck = lambda _kind, _address: None

    def run(self, snapshot: Snapshot, findings: Findings) -> None:
        """Restores into scratch and compares. IntegrityFailure, KeyFailure or Undetermined as it ends."""
        kinds = {
            "postgres": self._postgres,
            "folder": self._folder,
            "bucket": self._bucket,
            "vault": self._vault,
        }
        if snapshot.root.kind not in kinds:
            raise UsageError(f"no rehearsal for a source of kind {snapshot.root.kind!r}")
        kinds[snapshot.root.kind](snapshot, findings)

    def _postgres(self, snapshot: Snapshot, findings: Findings) -> None:
        facts = snapshot.facts
        with ExitStack() as stack:
            with findings.phase("provision", self.clock):
                server = stack.enter_context(scratch_postgres(int(facts["server_version"]) // 10000))
                dsn = server.create("drill", str(facts.get("encoding", "UTF8")))
            with self._loading(snapshot, findings) as items:
                postgres_restore.load(items, postgres_restore.Target(dsn, facts, with_roles=True))
            self.before_check("postgres", dsn)
            with findings.phase("check", self.clock):
                for difference in postgres_restore.differences(dsn, facts, snapshot.digest_key):
                    reason = "digest-differs" if difference.reason == "row-digest" else "count-differs"
                    counted = f"{difference.expected_rows} rows backed up, {difference.found_rows} restored"
                    findings.add(reason, f"table {difference.table}: {difference.reason} ({counted})")
                findings.counts["tables"] = len(facts["tables"])
                findings.counts["rows"] = sum(table["rows"] for table in facts["tables"].values())
                self.check_database(dsn, findings)

    def _folder(self, snapshot: Snapshot, findings: Findings) -> None:
        with self._scratch_folder(findings) as folder:
            with self._loading(snapshot, findings) as items:
                write_tree(items, folder)
            self.before_check("folder", folder)
            with findings.phase("check", self.clock):
                found = digest_tree(folder, snapshot.digest_key, _torn(snapshot))
                self._compare("files", snapshot.facts, found, findings)
                self._compare_contents(snapshot, findings, lambda path: folder / path)

    def _bucket(self, snapshot: Snapshot, findings: Findings) -> None:
        with self._scratch_folder(findings) as folder:
            with self._loading(snapshot, findings) as items:
                names = to_folder(items, folder)
            self.before_check("bucket", folder)
            with findings.phase("check", self.clock):
                found = digest_objects(folder, snapshot.digest_key, _torn(snapshot))
                self._compare("objects", snapshot.facts, found, findings)
                self._compare_contents(snapshot, findings, lambda path: folder / names[path])

    def _vault(self, snapshot: Snapshot, findings: Findings) -> None:
        facts = snapshot.facts
        shares = self.shares()
        with ExitStack() as stack:
            with findings.phase("provision", self.clock):
                server = stack.enter_context(scratch_openbao())
                workspace = stack.enter_context(Workspace())
            path = workspace.path / vault.SNAPSHOT
            with self._loading(snapshot, findings) as items:
                vault.write_snapshot(items, path)
                with path.open("rb") as file:
                    health = server.restore(file, shares)
            self.before_check("vault", path)
            with findings.phase("check", self.clock):
                found = {"rows": 1, "digest": vault.digest_file(path, snapshot.digest_key)}
                self._compare("snapshot", facts, found, findings)
                if facts.get("cluster") and health.get("cluster_id") != facts["cluster"]:
                    findings.add("digest-differs", "the restored OpenBao is another cluster than was backed up")
                self.check_vault(server, findings)

    @contextmanager
    def _scratch_folder(self, findings: Findings) -> Iterator[Path]:
        with ExitStack() as stack:
            with findings.phase("provision", self.clock):
                workspace = stack.enter_context(Workspace())
            yield workspace.path / "restored"

    @contextmanager
    def _loading(self, snapshot: Snapshot, findings: Findings) -> Iterator[Iterator[RestoredItem]]:
        """The items to load; time spent waiting for their bytes is the phase fetch, the rest is load."""
        fetched = 0.0

        def timed(blocks: Iterator[Any]) -> Iterator[Any]:
            nonlocal fetched
            while True:
                start = self.clock.monotonic()
                block = next(blocks, None)
                fetched += self.clock.monotonic() - start
                if block is None:
                    return
                yield block

        def items() -> Iterator[RestoredItem]:
            for item in timed(snapshot.restored()):
                findings.counts["items"] = findings.counts.get("items", 0) + 1
                findings.counts["bytes"] = findings.counts.get("bytes", 0) + item.size
                yield replace(item, read=lambda read=item.read: timed(read()))

        start = self.clock.monotonic()
        try:
            yield items()
        except OSError as error:
            raise Undetermined(f"this host cannot take the restore ({type(error).__name__})") from None
        finally:
            findings.phases["fetch"] = fetched
            findings.phases["load"] = self.clock.monotonic() - start - fetched

    @staticmethod
    def _compare(name: str, facts: Mapping[str, Any], found: Mapping[str, Any], findings: Findings) -> None:
        expected = facts["tables"][name]
        findings.counts["tables"], findings.counts["rows"] = 1, int(expected["rows"])
        if found["rows"] != expected["rows"]:
            findings.add("count-differs", f"{name}: {expected['rows']} backed up, {found['rows']} restored")
        elif found["digest"] != expected["digest"]:
            findings.add("digest-differs", f"{name}: what came back differs from what was backed up")

    @staticmethod
    def _compare_contents(snapshot: Snapshot, findings: Findings, place: Callable[[str], Path]) -> None:
        """Reads every restored file again and compares it, byte by byte, with the snapshot."""
        for item in snapshot.restored():
            if item.kind != "file":
                continue
            path = place(item.path)
            if not path.is_file():
                findings.add("count-differs", f"{item.path}: did not come back")
                continue
            with path.open("rb") as file:
                same = all(file.read(len(block)) == block for block in item.read()) and not file.read(1)
            if not same:
                findings.add("digest-differs", f"{item.path}: its restored bytes differ from the backup's")


def _torn(snapshot: Snapshot) -> frozenset[str]:
    """Paths whose listing and content did not agree when they were captured; the facts leave them out too."""
    return frozenset(snapshot.facts.get("changed", ()))
