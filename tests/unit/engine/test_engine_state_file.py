"""The state is a version-3 deployment that Pulumi's own import accepts, and no secret can be read in it."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from local_cloud.engine import run
from local_cloud.engine.passphrase import ITERATIONS, open_crypter
from strongroom.errors import KeyFailure

SECRET_PROGRAM = """
    a = Thing("a", body=pulumi.Output.secret("hunter2"), nested={"inner": pulumi.Output.secret(["hunter3"])},
              note="plain", opts=pulumi.ResourceOptions(additional_secret_outputs=["note"]))
    pulumi.export("token", a.token)
    pulumi.export("body", pulumi.Output.secret({"k": "hunter4"}))
    pulumi.export("open", "seen")
"""


def test_secrets_round_trip_and_are_encrypted(project):
    result = project.up(SECRET_PROGRAM)
    assert result.outputs == {"token": "[secret]", "body": "[secret]", "open": "seen"}
    text = (project.home / "state" / "data.dev.json").read_text()
    for word in ("hunter", "token of"):
        assert word not in text
        assert base64.b64encode(word.encode()).decode()[:6] not in text
    assert project.up(SECRET_PROGRAM).unchanged
    shown = run.outputs(project.root, "data", "dev", project.home, show_secrets=True)
    assert shown["body"] == {"k": "hunter4"}
    assert shown["token"].startswith("token of a-")
    assert run.outputs(project.root, "data", "dev", project.home)["token"] == "[secret]"


def test_a_changed_secret_is_an_update(project):
    project.up(SECRET_PROGRAM)
    result = project.up(SECRET_PROGRAM.replace("hunter2", "hunter5"))
    assert [step.keys for step in result.steps if step.operation == "update"] == [("body",)]
    assert "hunter" not in repr(result.steps)


def test_additional_secret_outputs(project):
    project.up(SECRET_PROGRAM)
    note = project.resources()["a"]["outputs"]["note"]
    assert note["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270"
    assert note["ciphertext"].startswith("v1:")


def test_unchanged_secrets_keep_their_ciphertext(project):
    project.up(SECRET_PROGRAM)
    before = project.resources()["a"]["inputs"]["body"]
    project.up(SECRET_PROGRAM + '    Thing("b")\n')
    assert project.resources()["a"]["inputs"]["body"] == before


def test_the_file_opens_with_passphrase_and_salt_alone(project):
    """An independent reading of the format, from Pulumi's crypt.go: no code of the engine takes part."""
    project.up(SECRET_PROGRAM)
    deployment = project.state()
    provider = deployment["secrets_providers"]
    assert provider["type"] == "passphrase"
    version, salt, *proof = provider["state"]["salt"].split(":")
    phrase = (project.home / "state" / "passphrase").read_bytes()
    key = AESGCM(hashlib.pbkdf2_hmac("sha256", phrase, base64.b64decode(salt), ITERATIONS, 32))

    def open_(value: list[str]) -> bytes:
        return key.decrypt(base64.b64decode(value[1]), base64.b64decode(value[2]), None)

    assert version == "v1"
    assert open_(proof) == b"pulumi"
    body = project.resources()["a"]["inputs"]["body"]["ciphertext"].split(":")
    assert json.loads(open_(body)) == "hunter2"


def test_form_of_the_deployment(project):
    project.up('g = Group("g")\nThing("a", opts=pulumi.ResourceOptions(parent=g))')
    document = json.loads((project.home / "state" / "data.dev.json").read_text())
    assert document["version"] == 3
    deployment = document["deployment"]
    manifest = deployment["manifest"]
    assert manifest["magic"] == hashlib.sha256(manifest["version"].encode()).hexdigest()
    seen: set[str] = set()
    for record in deployment["resources"]:
        assert record["urn"] not in seen
        needed = {record.get("parent"), record.get("provider", "").rpartition("::")[0], *record.get("dependencies", [])}
        assert needed - {None, ""} <= seen, "what a resource needs stands before it"
        seen.add(record["urn"])
    root = deployment["resources"][0]
    assert root["type"] == "pulumi:pulumi:Stack"
    assert root["urn"] == "urn:pulumi:data.dev::probe::pulumi:pulumi:Stack::probe-data.dev"
    thing = project.resources()["a"]
    assert thing["sourcePosition"].startswith("project:///infra/__main__.py#")
    assert str(project.root) not in json.dumps(thing)


def test_files_are_private(project):
    project.up("")
    project.up("")
    folder = project.home / "state"
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        if not path.name.endswith(".lock"):
            assert path.stat().st_mode & 0o777 == 0o600, path.name
    assert (folder / "data.dev.json.bak").exists()


def test_another_passphrase_is_noticed(project, monkeypatch):
    project.up(SECRET_PROGRAM)
    before = (project.home / "state" / "data.dev.json").read_bytes()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "something else")
    with pytest.raises(KeyFailure, match="passphrase"):
        project.up(SECRET_PROGRAM)
    assert (project.home / "state" / "data.dev.json").read_bytes() == before


def test_a_passphrase_file_is_read(tmp_path, monkeypatch):
    (tmp_path / "phrase").write_text("open sesame\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    first = open_crypter(tmp_path)
    value = first.encrypt("x")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open sesame")
    assert open_crypter(tmp_path, first.state).decrypt(value) == "x"


def test_fields_of_other_engines_survive(project):
    project.up('Thing("a")')
    path = project.home / "state" / "data.dev.json"
    document = json.loads(path.read_text())
    for record in document["deployment"]["resources"]:
        record["viewOf"] = "kept"
    path.write_text(json.dumps(document))
    project.refresh()
    assert project.resources()["a"]["viewOf"] == "kept"
