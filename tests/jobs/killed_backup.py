"""A backup of the portal that says where it stands and stays there until it is killed: ESTATE STAGE."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from backup_estate import BackupEstate

from backup_jobs import opening
from backup_jobs.backup import BackupJob
from backup_jobs.sources import declared
from backup_jobs.sources.postgres import PostgresSource
from strongroom.jobs.runner import run_job


def stand(stage: str) -> None:
    print(stage, flush=True)
    while True:
        signal.pause()


def main(path: str, stage: str) -> None:
    estate = BackupEstate.attach(Path(path))
    declared._stored = lambda _ctx, _duty, store: PostgresSource(store.name, store.endpoint)
    original = opening.data

    def data(*arguments):
        storage = original(*arguments)
        put = storage.put

        def put_one_pack(name, content, **options):
            version = put(name, content, **options)
            if name.startswith("packs/"):
                stand("packs")
            return version

        if stage == "packs":
            storage.put = put_one_pack
        return storage

    opening.data = data
    job = BackupJob(before_commit=(lambda _source: stand("commit")) if stage == "commit" else None)
    run_job(job, estate.context("backup-writer", source="portal"), home=estate.home, leases=None)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
