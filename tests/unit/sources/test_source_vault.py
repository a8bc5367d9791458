"""OpenBao as a source: a whole snapshot or none, and a clean server that only the original shares open."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from backup_jobs.scratch.openbao import scratch_openbao
from backup_jobs.sources.vault import SNAPSHOT, Target, VaultSource, check_snapshot
from strongroom.errors import Corrupt, Denied, KeyFailure, Transient, UsageError
from strongroom.jobs.clock import SystemClock

KEY = b"k" * 32


def archive(path: Path, members: dict[str, bytes], sums: dict[str, bytes]) -> Path:
    listed = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sums.items()).encode()
    with gzip.open(path, "wb") as plain, tarfile.open(fileobj=plain, mode="w") as tar:
        for name, data in {**members, "SHA256SUMS": listed}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_damaged_or_short_snapshot_is_found(tmp_path: Path) -> None:
    good = {"meta.json": b"{}", "state.bin": b"x" * 100_000}
    check_snapshot(archive(tmp_path / "good", good, good))
    with pytest.raises(Corrupt, match=r"state\.bin"):
        check_snapshot(archive(tmp_path / "changed", {**good, "state.bin": b"y"}, good))
    with pytest.raises(Corrupt, match=r"state\.bin"):
        check_snapshot(archive(tmp_path / "lacking", {"meta.json": b"{}"}, good))
    whole = (tmp_path / "good").read_bytes()
    (tmp_path / "short").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Corrupt):
        check_snapshot(tmp_path / "short")
    (tmp_path / "other").write_bytes(b"no archive")
    with pytest.raises(Corrupt):
        check_snapshot(tmp_path / "other")


@pytest.mark.cloud
def test_round_trip_into_a_clean_server(carry) -> None:
    with scratch_openbao(3, 2) as original:
        client = original.client(original.token)
        client.sys.enable_secrets_engine("transit")
        client.secrets.transit.create_key("notes")
        sealed = client.secrets.transit.encrypt_data("notes", "aGVsbG8=")["data"]["ciphertext"]
        source = VaultSource("openbao", client, SystemClock())
        items, facts, _ = carry(source, KEY)
        assert [item.path for item in items] == [SNAPSHOT]
        assert facts["seal"] == {"type": "shamir", "shares": 3, "threshold": 2}
        with pytest.raises(Denied):
            carry(VaultSource("openbao", original.client("not-a-token"), SystemClock()), KEY)
        with pytest.raises(UsageError):
            source.restore(iter(items), "/some/folder")
        client.adapter.close()
        with scratch_openbao() as clean:
            with pytest.raises(KeyFailure, match="2 unseal shares are needed"):
                source.restore(iter(items), Target(clean, [original.shares[0]]))
        with scratch_openbao() as clean:
            health = source.restore(iter(items), Target(clean, list(original.shares[1:])))
            assert (health["cluster_id"], health["sealed"]) == (facts["cluster"], False)
            restored = clean.client(original.token)
            assert restored.secrets.transit.decrypt_data("notes", sealed)["data"]["plaintext"] == "aGVsbG8="
            restored.adapter.close()
    with pytest.raises(Transient, match="cannot be fetched"):
        carry(source, KEY)
