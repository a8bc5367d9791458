"""The executables are what Pulumi's CLI expects of a provider plugin on PATH."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import tomllib
from pathlib import Path

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2 as proto
from pulumi.runtime.proto import provider_pb2_grpc

import local_cloud.plugins
from local_cloud.plugins.wire import encode

FOLDER = Path(local_cloud.plugins.__file__).parent
ENVIRONMENT = {"PATH": f"{FOLDER}:/usr/bin:/bin", "HOME": "/nonexistent"}


def _closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _await(condition: object, what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.parametrize(("package", "version"), [("aws", "7.51.1"), ("vault", "7.14.0")])
def test_a_plugin_prints_its_port_answers_and_stops(package: str, version: str, tmp_path: Path) -> None:
    command = shutil.which(f"pulumi-resource-{package}", path=ENVIRONMENT["PATH"])
    assert command == str(FOLDER / f"pulumi-resource-{package}")
    plugin = subprocess.Popen([command, "127.0.0.1:1"], stdout=subprocess.PIPE, env=ENVIRONMENT, cwd=tmp_path)
    assert plugin.stdout
    try:
        port = int(plugin.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            assert stub.GetPluginInfo(proto.google_dot_protobuf_dot_empty__pb2.Empty(), timeout=20).version == version
            with pytest.raises(grpc.RpcError, match="is not set") as caught:
                stub.Configure(proto.ConfigureRequest(args=encode({"region": "us-east-1"} if package == "aws" else {})))
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        plugin.send_signal(signal.SIGTERM)
        assert plugin.wait(timeout=20) == 0
    finally:
        plugin.kill()
        plugin.wait()
        plugin.stdout.close()


def test_a_plugin_ends_when_its_engine_was_killed() -> None:
    command = FOLDER / "pulumi-resource-vault"
    script = f"{command} 127.0.0.1:1 & echo $! >&2; wait"
    engine = subprocess.Popen(
        ["/bin/sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    assert engine.stdout and engine.stderr
    with engine.stdout, engine.stderr:
        plugin = int(engine.stderr.readline())
        try:
            port = int(engine.stdout.readline())
            os.kill(engine.pid, signal.SIGKILL)
            engine.wait()
            _await(lambda: _closed(port), "the plugin outlived its engine")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(plugin, signal.SIGKILL)


def test_plugins_are_not_console_scripts() -> None:
    """A console script would shadow the real plugins of everybody who has this environment on PATH."""
    project = tomllib.loads((Path(local_cloud.plugins.__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(project["scripts"]) == {"strongroom"} and "entry-points" not in project
