"""The whole laptop cloud: started, looked at, stopped in part, crashed, started again, removed.

One cloud serves the module; each test leaves it running or starts it first.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from local_cloud.servers import generation, lifecycle, status
from local_cloud.servers.layout import Layout, read_json, write_private, write_private_json
from local_cloud.servers.ports import accepts
from strongroom.cli.cloud import app
from strongroom.errors import StrongroomError, UsageError

pytestmark = pytest.mark.cloud
_AWAITED = {"gateway", "kms", "openbao", "postgres"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cloud") / "home"
    yield folder
    lifecycle.reset(folder)


@pytest.fixture
def cloud(home: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A running cloud, and the seam to it in this process's environment."""
    lifecycle.start(home)
    for name, value in status.environment(home).items():
        monkeypatch.setenv(name, value)
    return Layout(home)


def run(*arguments: str) -> tuple[int, str]:
    """The exit code and output of one command, as `strongroom cloud` ends it."""
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, StrongroomError):
        return result.exception.exit_code, f"{result.output}{result.exception}"
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.02)


def processes(layout: Layout) -> dict[str, Any]:
    return {name: server.process for name, server in status.survey(layout).servers.items()}


def test_everything_runs_and_a_second_start_says_so(cloud: Layout) -> None:
    before = processes(cloud)
    assert set(before) >= _AWAITED
    code, output = run("start", "--json")
    assert code == 0
    document = json.loads(output)
    assert document["messages"] == ["already running"] and document["problems"] == []
    assert processes(cloud) == before
    assert run("status")[0] == 0


def test_identities_reach_the_simulated_account(cloud: Layout) -> None:
    session = boto3.Session(profile_name="strongroom-dev-bootstrap-admin")
    sts = session.client("sts")
    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::210000000001:user/strongroom/bootstrap-admin"
    role = "arn:aws:iam::210000000002:role/OrganizationAccountAccessRole"
    assert "AccessKeyId" in sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    other = boto3.Session(profile_name="strongroom-dev-rotator").client("sts")
    with pytest.raises(other.exceptions.ClientError, match="AccessDenied"):
        other.assume_role(RoleArn=role, RoleSessionName="test")


def test_the_environment_names_no_secret(cloud: Layout) -> None:
    code, output = run("env")
    assert code == 0 and f"export AWS_CA_BUNDLE={cloud.ca_pem}" in output
    secrets = [(cloud.cloud / "postgres" / "admin.password").read_text()]
    for name, key in (("root.json", "token"), ("unseal/1.json", "share")):
        secrets.append(str((read_json(cloud.vault / name) or {})[key]))
    credentials = (cloud.aws / "credentials").read_text()
    secrets += [line.split(" = ")[1] for line in credentials.splitlines() if "secret" in line]
    assert len(secrets) > 10
    assert [secret for secret in secrets if secret in output] == []
    assert all(secret in credentials for secret in secrets[3:]), "the search does find a secret where one is"


def test_nothing_is_readable_by_others_or_listens_beyond_loopback(cloud: Layout, world_readable: Any) -> None:
    assert world_readable(cloud.home) == []
    sockets = {inode for process in processes(cloud).values() if process for inode in _sockets(process.pid)}
    addresses = [address for address, inode in _listening() if inode in sockets]
    assert len(addresses) >= 4
    assert {address.split(":")[0] for address in addresses} == {"0100007F"}


def test_kms_is_refused_alone_and_comes_back_on_its_port(cloud: Layout) -> None:
    reach = read_json(cloud.ready_file("gateway"))
    assert reach is not None
    assert run("stop", "--service", "kms")[0] == 0
    assert (accepts(reach["kms_port"]), accepts(reach["port"])) == (False, True)
    code, output = run("status")
    assert code == 0 and "stopped" in output
    assert run("start", "--service", "kms")[0] == 0
    assert accepts(reach["kms_port"])
    kms = boto3.Session(profile_name="strongroom-dev-bootstrap-admin").client("kms")
    with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
        kms.list_keys()  # it answers, and says no


def test_openbao_is_refused_alone_and_comes_back_unsealed(cloud: Layout) -> None:
    reach = read_json(cloud.ready_file("openbao"))
    assert reach is not None
    gateway = processes(cloud)["gateway"]
    assert run("stop", "--service", "openbao")[0] == 0
    assert not accepts(reach["port"])
    assert run("start", "--service", "openbao")[0] == 0
    assert read_json(cloud.ready_file("openbao")) | {"pid": 0} == reach | {"pid": 0}  # type: ignore[operator]
    assert processes(cloud)["gateway"] == gateway
    assert run("stop", "--service", "s3")[0] == 2


def test_a_killed_supervisor_is_replaced_and_nothing_is_lost(cloud: Layout) -> None:
    before = processes(cloud)
    supervisor = status.survey(cloud).supervisor
    assert supervisor is not None and supervisor.send(signal.SIGKILL)
    until(lambda: not status.survey(cloud).supervised)
    code, output = run("status")
    assert code == 4 and "supervisor is gone" in output
    outcome = lifecycle.start(cloud.home)
    assert any("supervisor is gone" in message for message in outcome.messages)
    assert processes(cloud) == before
    assert outcome.survey.supervised and outcome.survey.supervisor != supervisor


def test_a_dead_database_is_noted_and_started_again_on_its_data(cloud: Layout) -> None:
    before = processes(cloud)
    assert before["postgres"].send(signal.SIGKILL)
    until(lambda: "ended unasked" in status.survey(cloud).servers["postgres"].note)
    code, output = run("status")
    assert code == 4
    assert str(cloud.log("postgres")) in output
    lifecycle.start(cloud.home)
    after = processes(cloud)
    assert after["postgres"] != before["postgres"] and after["gateway"] == before["gateway"]
    assert run("status")[0] == 0


def test_supervisor_and_database_killed_together(cloud: Layout) -> None:
    supervisor, before = status.survey(cloud).supervisor, processes(cloud)
    assert supervisor is not None and supervisor.send(signal.SIGKILL) and before["openbao"].send(signal.SIGKILL)
    until(lambda: not supervisor.alive() and not before["openbao"].alive())
    lifecycle.start(cloud.home)
    assert processes(cloud)["gateway"] == before["gateway"]
    assert status.survey(cloud).problems() == []


def test_a_dead_gateway_ends_the_generation(cloud: Layout) -> None:
    (cloud.home / "state").mkdir(exist_ok=True)
    (cloud.home / "state" / "mark").write_text("of the old accounts")
    before = processes(cloud)
    supervisor = status.survey(cloud).supervisor
    assert supervisor is not None
    assert supervisor.send(signal.SIGKILL) and before["gateway"].send(signal.SIGKILL)
    until(lambda: not before["gateway"].alive() and not supervisor.alive())
    with pytest.raises(UsageError, match="no laptop cloud runs"):
        status.environment(cloud.home)
    outcome = lifecycle.start(cloud.home)
    assert any("archived" in message and "clean generation" in message for message in outcome.messages)
    newest = sorted(cloud.archive.iterdir())[-1]
    assert (newest / "state" / "mark").read_text() == "of the old accounts"
    assert not (cloud.home / "state").exists()
    after = processes(cloud)
    assert not before["openbao"].alive() and not before["postgres"].alive()
    assert not set(before.values()) & {process for process in after.values() if process}
    assert status.survey(cloud).problems() == []


def test_stop_ends_every_process_and_the_next_start_is_a_new_generation(cloud: Layout) -> None:
    before = [process for process in processes(cloud).values() if process is not None]
    supervisor = status.survey(cloud).supervisor
    reach = [read_json(cloud.ready_file(name)) for name in ("gateway", "postgres", "openbao")]
    code, output = run("stop")
    assert code == 0 and "stopped fork-server, gateway, openbao, postgres" in output
    assert [process for process in [*before, supervisor] if process and process.alive()] == []
    assert [document for document in reach if document and accepts(document["port"])] == []
    code, output = run("status")
    assert code == 4 and "not running" in output
    code, output = run("stop")
    assert code == 0 and "nothing runs" in output

    # as after a reboot: the recorded ids now belong to another process, which must be left alone
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    try:
        document = read_json(cloud.status)
        assert document is not None
        stale = {"pid": bystander.pid, "started": "12345", "boot": "an earlier boot"}
        document["supervisor"] = stale
        for server in document["servers"].values():
            server |= {"process": stale, "state": "running"}
        write_private_json(cloud.status, document)
        assert lifecycle.stop_all(cloud.home).already
        outcome = lifecycle.start(cloud.home)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert any("clean generation" in message for message in outcome.messages)
    assert len(list(cloud.archive.iterdir())) <= generation.KEPT_GENERATIONS


def test_a_server_that_cannot_start_is_named_with_its_log_and_tried_again_by_start(cloud: Layout) -> None:
    run("stop", "--service", "openbao")
    shares = {path: path.read_bytes() for path in (cloud.vault / "unseal").iterdir()}
    for path in shares:
        path.unlink()
    with pytest.raises(StrongroomError, match=r"openbao is failed.*shares"):
        lifecycle.set_service(cloud.home, "openbao", up=True)
    code, output = run("status")
    assert code == 4 and str(cloud.log("openbao")) in output
    for path, data in shares.items():
        write_private(path, data)
    assert run("start")[0] == 0
    assert run("status")[0] == 0


def test_reset_removes_everything_but_only_when_told(cloud: Layout) -> None:
    left = [process for process in processes(cloud).values() if process is not None]
    assert run("reset")[0] == 2
    assert run("reset", "--dry-run")[0] == 0
    assert cloud.home.exists() and all(process.alive() for process in left)
    assert run("reset", "--yes")[0] == 0
    assert not cloud.home.exists() and not any(process.alive() for process in left)
    assert run("reset", "--yes")[0] == 0


def test_reset_leaves_a_folder_that_is_not_a_cloud(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(UsageError, match="not a folder of the laptop's cloud"):
        lifecycle.reset(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def _sockets(pid: int) -> list[str]:
    links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return [link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:[")]


def _listening() -> list[tuple[str, str]]:
    """Local address (hexadecimal, as the kernel prints it) and inode of every listening TCP socket."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return [(fields[1], fields[9]) for fields in lines if fields[3] == "0A"]
