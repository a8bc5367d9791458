"""Reading blobs of many packs and runs: ranged reads, decrypted and inflated ahead by worker threads.

Storage reads, AES-GCM and zstd release the interpreter lock. What was decoded last stays for a while, because small
files that were listed together lie in one bundle.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from backup_jobs.repository.layout import pack_name
from backup_jobs.repository.objects import fetch_pack
from backup_jobs.repository.packs import HEADER, PackCipher, salt_of
from backup_jobs.repository.references import Ref
from strongroom.errors import Corrupt, IntegrityFailure, UsageError
from strongroom.storage.contract import Storage

WORKERS = 2
#: Decoded blobs kept; each is at most a few MiB.
KEPT = 24
#: Blobs requested ahead of the one being read.
AHEAD = 12


class BlobReader:
    """Decoded blobs by reference, for one consumer.

    Its threads end by themselves when it is no longer referred to. It must not be closed by a generator's `with`: an
    abandoned generator is closed by the collector in any thread, and waiting there for other threads is a deadlock.
    """

    def __init__(self, storage: Storage, repo: str, keys: Mapping[str, bytes]) -> None:
        self._storage, self._repo, self._keys = storage, repo, keys
        self._ciphers: dict[tuple[str, str], PackCipher] = {}
        self._kept: OrderedDict[tuple[str, int], Future[bytes]] = OrderedDict()
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="blob")

    def request(self, ref: Ref) -> Future[bytes]:
        """The blob of `ref`, being read or already there."""
        key = (ref.pack, ref.offset)
        future = self._kept.get(key)
        if future is None:
            future = self._kept[key] = self._pool.submit(self._load, ref)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return future

    def read(self, refs: Iterable[Ref]) -> Iterator[bytes]:
        """The pieces of `refs` one after the other, the next ones already on their way."""
        waiting: list[tuple[Ref, Future[bytes]]] = []
        for ref in refs:
            waiting.append((ref, self.request(ref)))
            if len(waiting) > AHEAD:
                yield self._piece(*waiting.pop(0))
        for ref, future in waiting:
            yield self._piece(ref, future)

    def _piece(self, ref: Ref, future: Future[bytes]) -> bytes:
        blob = future.result()
        if ref.start + ref.size > len(blob):
            raise Corrupt(f"{pack_name(ref.pack)} at offset {ref.offset}: shorter than its listing says")
        return blob if ref.size == len(blob) else blob[ref.start : ref.start + ref.size]

    def _load(self, ref: Ref) -> bytes:
        try:
            data = self._storage.get(pack_name(ref.pack), range=(ref.offset, ref.offset + ref.length))
            return self._cipher(ref).open(ref.offset, data, ref.pack)
        except (IntegrityFailure, UsageError):
            # UsageError: S3 answers InvalidRange when what lies on top is shorter;
            # another stored version may hold the pack's true bytes; fetch_pack says what is wrong if none does
            whole = fetch_pack(self._storage, ref.pack)
            cipher = PackCipher(self._repo, ref.run, self._key(ref), salt_of(whole[:HEADER], ref.pack))
            return cipher.open(ref.offset, memoryview(whole)[ref.offset : ref.offset + ref.length], ref.pack)

    def _key(self, ref: Ref) -> bytes:
        key = self._keys.get(ref.run)
        if key is None:
            raise Corrupt(f"a listing refers to run {ref.run}, which the snapshot's refs do not name")
        return key

    def _cipher(self, ref: Ref) -> PackCipher:
        key = (ref.run, ref.pack)
        with self._lock:
            cipher = self._ciphers.get(key)
        if cipher is None:
            salt = salt_of(self._storage.get(pack_name(ref.pack), range=(0, HEADER)), ref.pack)
            cipher = PackCipher(self._repo, ref.run, self._key(ref), salt)
            with self._lock:
                self._ciphers[key] = cipher
        return cipher
