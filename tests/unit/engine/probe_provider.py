"""A resource provider for tests: things are JSON files in the folder that its configuration names.

The log of the folder lists every operation in order, so tests see what was asked of the cloud.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"


def plain(struct):
    return json_format.MessageToDict(struct)


def reveal(value):
    if isinstance(value, dict):
        return reveal(value["value"]) if SIGNATURE in value else {key: reveal(item) for key, item in value.items()}
    return [reveal(item) for item in value] if isinstance(value, list) else value


def struct(message, value):
    getattr(message, "properties" if hasattr(message, "properties") else "inputs").update(value)
    return message


class ProbeProvider(provider_pb2_grpc.ResourceProviderServicer):
    """Things have a name, a size (update), a kind (replace), a body; `arn` is computed, `token` is secret."""

    def __init__(self):
        self.lock = threading.Lock()
        self.settings = {}

    def note(self, *words):
        with self.lock, (self.folder / "log").open("a") as log:
            log.write(" ".join(map(str, words)) + "\n")

    @property
    def folder(self):
        return Path(self.settings["store"])

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.0.0")

    def CheckConfig(self, request, context):
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request, context):
        olds, news = plain(request.olds), plain(request.news)
        replaces = ["region"] if olds.get("region") != news.get("region") else []
        return provider_pb2.DiffResponse(changes=2 if olds != news else 1, replaces=replaces)

    def Configure(self, request, context):
        self.settings = {key.split(":")[-1]: value for key, value in request.variables.items()}
        self.folder.mkdir(exist_ok=True)
        self.note("configure", self.settings.get("region", "-"), os.getpid())
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True, acceptResources=True)

    def Check(self, request, context):
        response = provider_pb2.CheckResponse(inputs=request.news)
        news = reveal(plain(request.news))
        if news.get("size") == -1:
            response.failures.add(property="size", reason="must not be negative")
        if "flavour" not in news:
            response.inputs.update({"flavour": "vanilla"})
        return response

    def Diff(self, request, context):
        olds, news = reveal(plain(request.old_inputs)), reveal(plain(request.news))
        keys = sorted(key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key))
        keys = [key for key in keys if key not in request.ignoreChanges]
        replaces = [key for key in keys if key in ("kind", "owner")]
        first = news.get("first") is True
        return provider_pb2.DiffResponse(
            changes=2 if keys else 1, replaces=replaces, diffs=keys, deleteBeforeReplace=first
        )

    def Create(self, request, context):
        inputs = plain(request.properties)
        name = reveal(inputs).get("name")
        if request.preview:
            response = provider_pb2.CreateResponse()
            response.properties.update(inputs | {"arn": UNKNOWN, "token": UNKNOWN})
            return response
        known = reveal(inputs)
        self.note("create", name)
        if known.get("fail"):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"not allowed to make {name}")
        if known.get("hang"):
            while not (self.folder / "release").exists():
                time.sleep(0.01)
        id_ = f"{name}-{time.monotonic_ns()}"
        (self.folder / id_).write_text(json.dumps(known))
        response = provider_pb2.CreateResponse(id=id_)
        response.properties.update(self.outputs(id_, inputs))
        return response

    def outputs(self, id_, inputs):
        token = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": f"token of {id_}"}
        return inputs | {"arn": f"arn:probe:{id_}", "token": token, "region": self.settings.get("region", "-")}

    def Update(self, request, context):
        inputs = plain(request.news)
        response = provider_pb2.UpdateResponse()
        if not request.preview:
            self.note("update", inputs.get("name"))
            (self.folder / request.id).write_text(json.dumps(reveal(inputs)))
        response.properties.update(self.outputs(request.id, inputs))
        return response

    def Read(self, request, context):
        response = provider_pb2.ReadResponse()
        path = self.folder / request.id
        if path.exists():
            response.id = request.id
            inputs = json.loads(path.read_text())
            response.inputs.update(inputs)
            response.properties.update(self.outputs(request.id, inputs))
        return response

    def Delete(self, request, context):
        self.note("delete", request.urn.split("::")[-1])
        if plain(request.properties).get("sticky"):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "does not go away")
        (self.folder / request.id).unlink()
        return empty_pb2.Empty()

    def Invoke(self, request, context):
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").update({"answer": reveal(plain(request.args)).get("question", "") + "!"})
        return response

    def Cancel(self, request, context):
        return empty_pb2.Empty()


def main():
    server = grpc.server(ThreadPoolExecutor(8))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(ProbeProvider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.wait_for_termination()


if __name__ == "__main__":
    sys.exit(main())
