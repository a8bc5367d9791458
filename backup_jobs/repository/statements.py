"""The two statements of a repository: the writer's commit of a snapshot, the restorer's mark that a run is verified.

Both are DSSE envelopes of in-toto statements (docs/formats/evidence.md), kinds `commit` and `verified`. Who pins no
keys can still read them; the caller then has to say "signature not checked".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from strongroom.errors import Corrupt, SignatureInvalid
from strongroom.evidence import dsse
from strongroom.evidence.trust import Trust

SignatureState = Literal["valid", "not checked", "invalid"]


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit states: the snapshot's hash, the hash of refs, the key commitment of the run."""

    repo: str
    run: str
    source: str
    committed_at: str
    commitment: str
    snapshot: str
    refs: str
    signature: SignatureState

    @staticmethod
    def predicate(
        repo: str, run: str, source: str, committed_at: str, commitment: str, snapshot: str, refs: str
    ) -> dict[str, Any]:
        """The predicate fields that make up a commit."""
        return {
            "repo": repo,
            "run": run,
            "source": source,
            "committed_at": committed_at,
            "commitment": commitment,
            "snapshot_sha256": snapshot,
            "refs_sha256": refs,
        }

    @classmethod
    def read(cls, data: bytes, name: str, trust: Trust | None) -> Commit:
        """Reads an envelope; SignatureInvalid under `trust` when it is not the writer's, Corrupt when not a commit."""
        body, state = _open(data, "commit", trust)
        try:
            return cls(
                repo=str(body["repo"]),
                run=str(body["run"]),
                source=str(body["source"]),
                committed_at=str(body["committed_at"]),
                commitment=str(body["commitment"]),
                snapshot=str(body["snapshot_sha256"]),
                refs=str(body["refs_sha256"]),
                signature=state,
            )
        except KeyError as error:
            raise Corrupt(f"{name}: the commit lacks {error}") from None


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification mark states: every blob of `packs` was read back and every id in `indexes` recomputed."""

    repo: str
    run: str
    commitment: str
    packs: tuple[str, ...]
    indexes: tuple[str, ...]
    snapshots: Mapping[str, str]
    signature: SignatureState

    @staticmethod
    def predicate(
        repo: str, run: str, commitment: str, packs: list[str], indexes: list[str], snapshots: dict[str, str]
    ) -> dict[str, Any]:
        """The predicate fields that make up a mark; `snapshots` maps source to the snapshot's hash."""
        return {
            "repo": repo,
            "run": run,
            "commitment": commitment,
            "packs": packs,
            "indexes": indexes,
            "snapshots": snapshots,
        }

    @classmethod
    def read(cls, data: bytes, name: str, trust: Trust | None) -> Verified:
        """Reads an envelope; SignatureInvalid under `trust` when it is not the restorer's."""
        body, state = _open(data, "verified", trust)
        try:
            packs, indexes = (tuple(str(item) for item in body[key]) for key in ("packs", "indexes"))
            snapshots = {str(source): str(digest) for source, digest in body["snapshots"].items()}
            return cls(str(body["repo"]), str(body["run"]), str(body["commitment"]), packs, indexes, snapshots, state)
        except (KeyError, TypeError, AttributeError) as error:
            raise Corrupt(f"{name}: the mark cannot be read ({type(error).__name__})") from None


def _open(data: bytes, kind: str, trust: Trust | None) -> tuple[Mapping[str, Any], SignatureState]:
    try:
        statement = dsse.read_unverified(data)[1] if trust is None else dsse.verify(data, trust)
    except ValueError as error:
        # a damaged envelope may hold a time or a base64 text that does not parse
        raise SignatureInvalid(f"the envelope cannot be read ({type(error).__name__})") from None
    if statement.kind != kind:
        raise SignatureInvalid(f"a statement of kind {statement.kind!r} lies where a {kind!r} belongs")
    return statement.predicate, "not checked" if trust is None else "valid"
