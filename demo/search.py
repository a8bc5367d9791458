"""Searches files and bytes for a secret in every form in which software tends to spill one, zstd frames included.

Forms: UTF-8, base64 and base64url at each of the three alignments, hexadecimal in both cases, UTF-16 of both byte
orders. A long secret is searched for by pieces, so that a truncated log line is found too.
"""

from __future__ import annotations

import base64
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard

#: A shorter secret would be found by accident in a few hundred megabytes of ciphertext.
MINIMUM_BYTES = 12
PIECE_CHARACTERS = 32
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
#: What is looked at of one frame: enough for any document, little enough for a bomb.
FRAME_LIMIT = 64 << 20
_STEP = 1 << 20

#: form name -> the bytes to look for
Forms = Mapping[str, bytes]


@dataclass(frozen=True)
class Hit:
    """A form of a needle found: in which file or label, at which offset, and whether inside a zstd frame."""

    where: str
    form: str
    offset: int
    compressed: bool = False

    def __str__(self) -> str:
        inside = " inside a zstd frame" if self.compressed else ""
        return f"{self.where}: as {self.form}{inside} at byte {self.offset}"


def pieces(secret: str) -> tuple[str, ...]:
    """What to look for of a secret: itself when short, else its beginning, middle and end."""
    if len(secret) <= 2 * PIECE_CHARACTERS:
        return (secret,)
    middle = (len(secret) - PIECE_CHARACTERS) // 2
    starts = (0, middle, len(secret) - PIECE_CHARACTERS)
    return tuple(dict.fromkeys(secret[start : start + PIECE_CHARACTERS] for start in starts))


def forms(needle: str) -> dict[str, bytes]:
    """Every encoding of one needle; where two are the same bytes only the first is kept."""
    raw = needle.encode()
    found = {"plain text": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode()}
    for alignment in range(3):
        text = _base64_core(raw, alignment)
        found[f"base64+{alignment}"] = text
        found[f"base64url+{alignment}"] = text.translate(bytes.maketrans(b"+/", b"-_"))
    found["UTF-16LE"] = needle.encode("utf-16-le")
    found["UTF-16BE"] = needle.encode("utf-16-be")
    distinct: dict[bytes, str] = {}
    for name, text in found.items():
        distinct.setdefault(text, name)
    return {name: text for text, name in distinct.items()}


def all_forms(secret: str) -> dict[str, bytes]:
    """The forms of every piece of a secret, named by piece where there are several."""
    parts = pieces(secret)
    if len(parts) == 1:
        return forms(secret)
    return {f"{name}, piece {n}": text for n, part in enumerate(parts, 1) for name, text in forms(part).items()}


def _base64_core(raw: bytes, alignment: int) -> bytes:
    """The characters that are the same whatever stands before (`alignment` bytes, modulo 3) and after."""
    encoded = base64.b64encode(b"\0" * alignment + raw)
    first = (0, 2, 3)[alignment]
    return encoded[first : (alignment + len(raw)) * 8 // 6]


def search_bytes(data: bytes | mmap.mmap, where: str, wanted: Forms) -> Iterator[Hit]:
    """The first place of each form in some bytes, and in each zstd frame that begins in them."""
    for form, text in wanted.items():
        offset = data.find(text)
        if offset >= 0:
            yield Hit(where, form, offset)
    start = data.find(ZSTD_MAGIC)
    while start >= 0:
        yield from _search_frame(data, start, where, wanted)
        start = data.find(ZSTD_MAGIC, start + 1)


def _search_frame(data: bytes | mmap.mmap, start: int, where: str, wanted: Forms) -> Iterator[Hit]:
    """Inflates what begins like a frame as far as it goes; random bytes that look like one give nothing."""
    inflate = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    plain = bytearray()
    position = start
    try:
        while position < len(data) and len(plain) < FRAME_LIMIT:
            plain += inflate.decompress(data[position : position + _STEP])
            position += _STEP
            if inflate.eof:
                break
    except zstandard.ZstdError:
        pass  # cut off, or no frame at all: what came out until here is searched
    for form, text in wanted.items():
        if text in plain:
            yield Hit(where, form, start, compressed=True)


def search_file(path: Path, wanted: Forms) -> Iterator[Hit]:
    """Searches one regular file; OSError when it cannot be read."""
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from search_bytes(data, str(path), wanted)


@dataclass
class Searched:
    """What a search looked at, and what it found."""

    files: int = 0
    bytes: int = 0
    hits: tuple[Hit, ...] = ()
    unreadable: tuple[str, ...] = ()


def search_tree(
    roots: Iterable[Path], wanted: Forms, *, leave_out: Iterable[Path] = (), since: float = 0.0
) -> Searched:
    """Searches every regular file below some roots; a file that ends meanwhile is no finding, one that is closed is.

    Files unchanged since before `since` (seconds since 1970, by the time that no program can set back) are left out.
    """
    excluded = {path.resolve() for path in leave_out}
    found = Searched()
    hits: list[Hit] = []
    closed: list[str] = []
    for path in _regular_files(roots, excluded, closed):
        try:
            status = path.stat()
            if status.st_ctime < since:
                continue
            found.bytes += status.st_size
            found.files += 1
            hits += search_file(path, wanted)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:  # ValueError: emptied between its size and its mapping
            closed.append(f"{path} ({type(error).__name__})")
    found.hits, found.unreadable = tuple(hits), tuple(closed)
    return found


def _regular_files(roots: Iterable[Path], excluded: set[Path], closed: list[str]) -> Iterator[Path]:
    """Regular files in no order; folders that may not be listed are added to `closed`."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            closed.append(f"{error.filename} ({type(error).__name__})")

    for root in roots:
        if root.is_file() and root.resolve() not in excluded:
            yield root
        for folder, _, names in os.walk(root, onerror=refuse) if root.is_dir() else ():
            for path in (Path(folder, name) for name in names):
                if not path.is_symlink() and path.is_file() and path.resolve() not in excluded:
                    yield path
