"""Files are private from their first byte, and ended generations are set aside, two at most."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from local_cloud.servers import generation, identities, layout, ports
from local_cloud.servers.layout import Layout, private_folder, read_json, write_private, write_private_json
from strongroom.estate.loader import load


def test_private_files_ignore_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = private_folder(tmp_path / "a" / "b")
        write_private(folder / "f", "x")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/b/f")] == [0o700, 0o700, 0o600]


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert private_folder(tmp_path).stat().st_mode & 0o777 == 0o700


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_private(tmp_path / "f", "old")
    with pytest.raises(TypeError):
        write_private(tmp_path / "f", 5)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_text() == "old"


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_torn_document_counts_as_absent(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.json").write_text(text)
    assert read_json(tmp_path / "d.json") is None
    assert read_json(tmp_path / "none.json") is None


def test_home_is_in_the_working_folder_unless_the_variable_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRONGROOM_HOME", raising=False)
    assert layout.home_folder() == tmp_path / ".strongroom"
    monkeypatch.setenv("STRONGROOM_HOME", str(tmp_path / "elsewhere"))
    assert layout.home_folder() == tmp_path / "elsewhere"


def begin(home: Layout, mark: str) -> None:
    """What a generation leaves behind."""
    for folder in (home.cloud, home.vault, home.aws, home.home / "state"):
        private_folder(folder)
        write_private(folder / "mark", mark)
    write_private_json(home.begun, {"pid": 1})


def test_generations_are_archived_whole_and_the_last_two_kept(tmp_path: Path) -> None:
    home = Layout(private_folder(tmp_path / "home"))
    private_folder(home.ca)
    names = []
    for number in range(4):
        begin(home, str(number))
        assert generation.exists(home)
        names.append(generation.end(home, dt.datetime(2026, 1, 1 + number, tzinfo=dt.UTC)))
        assert not generation.exists(home)
    assert sorted(path.name for path in home.archive.iterdir()) == names[2:]
    assert {path.name for path in (home.archive / names[3]).iterdir()} == {"cloud", "vault", "aws", "state"}
    assert (home.archive / names[3] / "state" / "mark").read_text() == "3"
    assert sorted(path.name for path in home.home.iterdir()) == ["archive", "ca"]


def test_a_generation_that_never_became_ready_pushes_no_other_out(tmp_path: Path) -> None:
    home = Layout(private_folder(tmp_path / "home"))
    begin(home, "good")
    kept = generation.end(home, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    for _ in range(3):
        private_folder(home.logs)
        assert generation.end(home, dt.datetime(2026, 1, 2, tzinfo=dt.UTC)) == ""
    assert [path.name for path in home.archive.iterdir()] == [kept]


def test_identities_are_one_a_duty_and_each_may_take_its_roles_only() -> None:
    users = {user["user"]: user for user in identities.users()}
    assert {"bootstrap-admin", "deployer", "runner.rotator", "runner.copier", "runner.notary"} <= set(users)
    assert users["runner.rotator"]["assume"] == ["arn:aws:iam::*:role/strongroom/dev/rotator"]
    assert users["deployer"]["assume"] == ["arn:aws:iam::*:role/strongroom/dev/deployer.*"]
    assert len({user["profile"] for user in users.values()}) == len(users)


def test_identities_are_those_of_the_estate() -> None:
    estate = load(Path(__file__).parents[3] / "stacks" / "estate.dev.yaml")
    declared = {person.iam for person in estate.people.values() if person.iam}
    assert {f"arn:aws:iam::{u['account']}:user{u['path']}{u['user']}" for u in identities.users()} == declared
    assert {account.id for account in estate.accounts.values()} == set(identities.ACCOUNTS)


def test_a_taken_port_is_not_free(unused_port: int) -> None:
    import socket

    assert ports.free_port(unused_port) == unused_port
    assert not ports.accepts(unused_port)
    with socket.create_server(("127.0.0.1", unused_port)):
        assert ports.accepts(unused_port)
        assert ports.free_port(unused_port) != unused_port
