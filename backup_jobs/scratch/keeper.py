"""The keeper: a small process that runs tools for a job and cleans up when the job is gone, however it went.

A job that is killed by SIGKILL can clean nothing. So what must not outlive it (pg_dump and its session, a scratch
server, a folder with a plaintext dump) belongs to this process, which runs in a session of its own, notices the end
of the job by the end of its standard input (or by a changed parent, should a fork of the job still hold the pipe),
stops its children and removes the folder. It is a script of the standard library only: `python -I -S keeper.py FOLDER`.

Requests and answers are JSON lines:
    {"id": 1, "argv": [...], "env": {...}, "uid": null, "gid": null, "stop": 15}   starts a tool
    {"id": 1, "signal": 15}                                                      signals it
    {"id": 1, "pid": 123}, then {"id": 1, "exit": 0}                             answers
Output goes to FOLDER/output.<id>, errors to FOLDER/errors.<id>, both 0600.
"""

import ctypes
import fcntl
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PATIENCE = 5.0  # seconds between a tool's own stop signal and SIGKILL
LOCK = ".keeper"


def main(folder: str) -> int:
    """Serves requests until the job is gone, then stops everything and removes `folder`."""
    os.umask(0o077)
    lock = os.open(Path(folder) / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only; elsewhere the end of stdin is enough
    parent = os.getppid()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    os.set_blocking(wake_read, False)
    signal.set_wakeup_fd(wake_write)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):  # not SIG_IGN: children would inherit it
        signal.signal(number, lambda *_: None)
    children: dict[int, tuple[subprocess.Popen[bytes], int]] = {}
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    pending = b""
    answer({"ready": os.getpid()})
    try:
        while os.getppid() == parent:
            for key, _ in selector.select(timeout=1.0):
                if key.fd == wake_read:
                    os.read(wake_read, 4096)
                    continue
                data = os.read(0, 65536)
                if not data:
                    return 0
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    serve(json.loads(line), folder, children, prctl)
            report(children)
        return 0
    except BrokenPipeError:
        return 0
    finally:
        stop(children)
        shutil.rmtree(folder, ignore_errors=True)


def serve(request: dict, folder: str, children: dict, prctl: object) -> None:  # type: ignore[type-arg]
    """Starts or signals one tool."""
    number = request["id"]
    if "signal" in request:
        if number in children:
            children[number][0].send_signal(request["signal"])
        return

    def die_with_keeper() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # type: ignore[operator]

    identity = {} if request["uid"] is None else {"user": request["uid"], "group": request["gid"], "extra_groups": []}
    output = os.open(Path(folder) / f"output.{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    errors = os.open(Path(folder) / f"errors.{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        child = subprocess.Popen(
            request["argv"],
            env=request["env"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            process_group=0,
            preexec_fn=die_with_keeper,
            **identity,
        )
    except OSError as error:
        answer({"id": number, "exit": 127, "reason": os.strerror(error.errno or 0)})
        return
    finally:
        os.close(output)
        os.close(errors)
    children[number] = (child, request["stop"])
    answer({"id": number, "pid": child.pid})


def report(children: dict) -> None:  # type: ignore[type-arg]
    """Answers for every tool that has ended."""
    for number in [n for n, (child, _) in children.items() if child.poll() is not None]:
        answer({"id": number, "exit": children.pop(number)[0].returncode})


def stop(children: dict) -> None:  # type: ignore[type-arg]
    """Stops what still runs: by its own signal, then by SIGKILL to its process group."""
    for child, signal_number in children.values():
        if child.poll() is None:
            child.send_signal(signal_number)
    deadline = time.monotonic() + _PATIENCE
    for child, _ in children.values():
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def answer(message: dict) -> None:  # type: ignore[type-arg]
    """One JSON line to the job."""
    os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
