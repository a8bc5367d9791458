"""The write pipeline: blobs go to worker threads that compress, encrypt, pack and store them.

One thread reads, cuts and hashes; each worker owns one open pack. zstd, AES-GCM and SHA-256 release the interpreter
lock, so two workers keep two cores busy. The queue between them is short: memory does not grow with the data.
"""

from __future__ import annotations

import queue
import threading
from datetime import datetime

import zstandard

from backup_jobs.repository.layout import pack_name
from backup_jobs.repository.objects import put_addressed
from backup_jobs.repository.packs import PackBuilder
from backup_jobs.repository.references import Ref
from strongroom.storage.contract import Storage

#: A pack is closed when it has reached this size.
PACK_TARGET = 16 << 20
#: Pieces a pack may hold: bounds how many listing lines wait for a pack's name.
PACK_PIECES = 1 << 15
WORKERS = 2
_QUEUE = 8


class Blob:
    """Bytes on their way into a pack. `pack` is '' until the pack is stored."""

    __slots__ = ("length", "offset", "pack", "pieces", "raw")

    def __init__(self, raw: bytes, pieces: list[tuple[bytes, int, int]]) -> None:
        self.raw: bytes | None = raw
        #: (id, start, size) of each piece in the blob
        self.pieces = pieces
        self.pack, self.offset, self.length = "", 0, 0


class Pipeline:
    """Workers of one stream of packs of a run.

    `stored` collects the blobs of finished packs; a worker's failure is raised by the next `submit` or `flush`.
    """

    def __init__(
        self, storage: Storage, repo: str, run: str, run_key: bytes, lock_until: datetime | None, workers: int = WORKERS
    ) -> None:
        self._storage, self._repo, self._run, self._key = storage, repo, run, run_key
        self._lock_until = lock_until
        self._queue: queue.Queue[Blob | threading.Barrier | None] = queue.Queue(_QUEUE)
        self._stored: queue.SimpleQueue[list[Blob]] = queue.SimpleQueue()
        self._failures: list[BaseException] = []
        self.packs: list[str] = []
        self._threads = [threading.Thread(target=self._work, name=f"pack-{n}", daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, blob: Blob) -> None:
        """Hands a blob to the workers; waits while they are behind."""
        self._raise()
        self._queue.put(blob)

    def flush(self) -> None:
        """Closes and stores every open pack."""
        barrier = threading.Barrier(len(self._threads) + 1)
        for _ in self._threads:
            # even after a failure: a worker that waits at the barrier must find all the others there
            self._queue.put(barrier)
        barrier.wait()
        self._raise()

    def close(self) -> None:
        """Ends the workers; open packs are dropped, so call `flush` first."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def stored(self) -> list[Blob]:
        """Blobs of the packs stored since the last call."""
        found: list[Blob] = []
        while not self._stored.empty():
            found += self._stored.get()
        return found

    def _raise(self) -> None:
        if self._failures:
            raise self._failures[0]

    def _work(self) -> None:
        compressor = zstandard.ZstdCompressor(level=1)
        builder: PackBuilder | None = None
        blobs: list[Blob] = []
        pieces = 0
        while (message := self._queue.get()) is not None:
            try:
                if self._failures:
                    pass  # drain: the first failure is on its way to the caller
                elif isinstance(message, Blob):
                    builder = builder or PackBuilder(self._repo, self._run, self._key, compressor)
                    raw, message.raw = message.raw, None
                    assert raw is not None
                    message.offset, message.length = builder.add(raw)
                    blobs.append(message)
                    pieces += len(message.pieces)
                if builder is not None and (
                    isinstance(message, threading.Barrier) or builder.size >= PACK_TARGET or pieces >= PACK_PIECES
                ):
                    if not self._failures:
                        self._store(builder, blobs)
                    builder, blobs, pieces = None, [], 0
            except BaseException as failure:
                self._failures.append(failure)
                builder, blobs, pieces = None, [], 0
            finally:
                if isinstance(message, threading.Barrier):
                    message.wait()

    def _store(self, builder: PackBuilder, blobs: list[Blob]) -> None:
        pack, data = builder.finish()
        put_addressed(self._storage, pack_name(pack), data, self._lock_until)
        for blob in blobs:
            blob.pack = pack
        self.packs.append(pack)
        self._stored.put(blobs)


#: Where a piece will be: known at once (already stored) or once its blob's pack is stored.
Place = Ref | tuple[Blob, int, int]


def resolve(run: str, place: Place) -> Ref | None:
    """The reference of a place, or None while its pack is not stored yet."""
    if isinstance(place, Ref):
        return place
    blob, start, size = place
    return Ref(run, blob.pack, blob.offset, blob.length, start, size) if blob.pack else None
