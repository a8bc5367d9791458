"""A Pulumi program runs in a forked child exactly as Pulumi's Python language host runs it.

`main: infra` means: working folder infra/, program ".", so sys.path[0] is "." and __main__.py is run as __main__
(sdk/python/cmd/pulumi-language-python-exec). The child reports how it ended on a descriptor of its own.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

#: Threads for the program's requests; the SDK's own choice on two cores is six.
REQUEST_THREADS = 32


def request(settings: Any, monitor: str, environment: dict[str, str]) -> dict[str, Any]:
    """What the fork server must be told to run a program."""
    return {
        "do": "program",
        "monitor": monitor,
        "project": settings.project,
        "stack": settings.stack,
        "organization": settings.organization,
        "root": str(settings.root),
        "program": str(settings.program),
        "config": dict(settings.config),
        "secret_keys": list(settings.secret_keys),
        "preview": settings.preview,
        "parallel": settings.parallel,
        "environment": environment,
    }


def policy_environment(settings: Any) -> dict[str, str]:
    """The environment of a policy pack: the caller's, and what Pulumi tells packs of the run."""
    return dict(os.environ) | {
        "PULUMI_PROJECT": settings.project,
        "PULUMI_STACK": settings.stack,
        "PULUMI_ORGANIZATION": settings.organization,
        "PULUMI_DRY_RUN": "true" if settings.preview else "false",
        "PULUMI_CONFIG": json.dumps(dict(settings.config)),
    }


def policy_request(settings: Any, pack: Path, engine: str, environment: dict[str, str]) -> dict[str, Any]:
    """What the fork server must be told to run a policy pack."""
    return {
        "do": "program",
        "pack": str(pack),
        "engine": engine,
        "root": str(settings.root),
        "environment": environment,
    }


def run_child(job: dict[str, Any], result: int) -> int:
    """Runs the program in this process, which was forked for it, and returns its exit status.

    Writes one JSON object to the descriptor `result`: {} after success, else {error, type, exit_code, file, line,
    code, traceback, stopped}.
    """
    try:
        if "pack" in job:
            _run_pack(job)
        else:
            _run(job)
        outcome: dict[str, Any] = {}
    except BaseException as error:
        outcome = describe(error, Path(job["root"]))
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(result, json.dumps(outcome).encode())
    os.close(result)
    return 1 if outcome else 0


def _run(job: dict[str, Any]) -> None:
    import asyncio
    import logging
    import runpy
    from concurrent.futures import ThreadPoolExecutor

    import pulumi.runtime

    os.environ["PULUMI_CONFIG"] = json.dumps(job["config"])
    os.environ["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(job["secret_keys"])
    pulumi.runtime.set_all_config(job["config"], job["secret_keys"])
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=job["monitor"],
            engine=job["monitor"],
            project=job["project"],
            stack=job["stack"],
            organization=job["organization"],
            root_directory=job["root"],
            parallel=job["parallel"],
            dry_run=job["preview"],
        )
    )
    os.chdir(job["program"])
    sys.argv = ["."]
    # The SDK leaves futures unawaited when a deployment stops; asyncio would report each of them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(REQUEST_THREADS))
    loop.run_until_complete(pulumi.runtime.run_in_stack(_program(runpy)))


def _run_pack(job: dict[str, Any]) -> None:
    """Does what `python -u -m pulumi.policy <engine> .` does in the pack's folder; serves until it is ended."""
    import runpy

    os.chdir(job["pack"])
    sys.argv = ["pulumi.policy", job["engine"], "."]
    sys.stdout = io.TextIOWrapper(
        os.fdopen(1, "wb", buffering=0), write_through=True
    )  # as -u does: the port is waited for
    runpy.run_module("pulumi.policy", run_name="__main__")


def _program(runpy: Any) -> Any:
    def main() -> None:
        runpy.run_path(".", run_name="__main__")

    return main


def describe(error: BaseException, root: Path) -> dict[str, Any]:
    """What went wrong, with the last line of the project's own code that was involved."""
    import pulumi

    mine = None
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path.cwd() / frame.filename  # absolute names stay what they are
        if frame.filename.startswith("<"):
            continue
        if path.resolve().is_relative_to(root) and ".venv" not in path.parts and path.resolve() != Path(__file__):
            mine = (path.resolve().relative_to(root), frame.lineno, frame.line)
    file, line, code = mine or ("", 0, "")
    return {
        "error": str(error),
        "type": type(error).__name__,
        "stopped": isinstance(error, pulumi.RunError),
        "exit_code": getattr(error, "exit_code", 1),
        "file": str(file),
        "line": line,
        "code": code,
        "traceback": "".join(traceback.format_exception(error)),
    }
