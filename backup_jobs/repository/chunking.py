"""Cutting: small files are bundled, larger ones are cut by content, so that an insertion moves no later cut.

The cuts come from FastCDC (Xia et al., 2020) with a gear table seeded by the id key: where a file is cut tells an
onlooker without that key less about its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyfastcdc

from backup_jobs.repository.layout import CHUNK_SIZES

WINDOW = 4 << 20


def cutter(seed: int) -> pyfastcdc.FastCDC:
    """FastCDC with the format's sizes."""
    least, average, greatest = CHUNK_SIZES
    return pyfastcdc.FastCDC(average, min_size=least, max_size=greatest, seed=seed)


def chunks(first: bytes, stream: BinaryIO, cdc: pyfastcdc.FastCDC, buffer: bytearray) -> Iterator[bytes]:
    """Chunks of `first` followed by the rest of `stream`; `buffer` (WINDOW bytes) is scratch space.

    Holds one window, however long the stream is. The last chunk of a window may go on, so it is cut again with what
    follows.
    """
    view = memoryview(buffer)
    filled = len(first)
    view[:filled] = first
    ended = False
    while True:
        while filled < len(buffer) and not ended:
            data = stream.read(len(buffer) - filled)
            ended = not data
            view[filled : filled + len(data)] = data
            filled += len(data)
        done = 0
        for cut in cdc.cut_buf(view[:filled]):
            if cut.offset + cut.length == filled and not ended:
                break
            done = cut.offset + cut.length
            yield bytes(view[cut.offset : done])
        if ended and done == filled:
            return
        view[: filled - done] = bytes(view[done:filled])
        filled -= done
