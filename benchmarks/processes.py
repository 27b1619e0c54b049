"""The processes of a benchmark: started, waited for within a time, ended by their id."""

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STARTING = 60.0  # seconds that a process may take until it is ready
STOPPING = 20.0  # seconds that it may take to end when told
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Running:
    """A process that said it is ready: *word* is the last word of the line that said so."""

    process: "subprocess.Popen[str]"
    word: str

    def cpu_s(self) -> float:
        """Seconds of processor time so far."""
        return cpu_s(self.process.pid)

    def children_cpu_s(self) -> float:
        """The same of its children, of the embedded store for example."""
        return sum(cpu_s(child) for child in self.children)

    @property
    def children(self) -> list[int]:
        """The ids of the processes that it has started."""
        pid = self.process.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in listed]

    def memory_bytes(self) -> int:
        """What it has in memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """Seconds of processor time that process *pid* has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    starting: float = STARTING,
) -> Iterator[Running]:
    """*command*, from its ready line to the end of the block; its stderr goes to *log*.

    It may take *starting* seconds until it is ready.

    Raises:
        RuntimeError: it ended, or said nothing in time.
    """
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=clean_environment(environment or {}),
            start_new_session=True,
        )
        try:
            yield Running(process, _ready_word(process, log, starting))
        finally:
            end(process)


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours without any ONEHOOK_ name, so that the defaults are measured; and *more*."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ONEHOOK_")}
    return {**ours, **more}


def _ready_word(process: "subprocess.Popen[str]", log: Path, starting: float) -> str:
    assert process.stdout is not None
    out = process.stdout.fileno()
    text, deadline = "", time.monotonic() + starting
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([out], [], [], left)[0]:
            break
        chunk = os.read(out, 4096)  # past the text layer, which cannot wait for part of a line
        if not chunk:
            msg = f"{process.args!r} ended at once: {log.read_text()[-2000:]}"
            raise RuntimeError(msg)
        text += chunk.decode()
        for line in text.split("\n")[:-1]:
            if "ready" in line.split():
                return line.split()[-1]
    msg = f"{process.args!r} is not ready after {starting:g} s: {log.read_text()[-2000:]}"
    raise RuntimeError(msg)


def end(process: "subprocess.Popen[str]") -> None:
    """SIGTERM, and where that does not help SIGKILL for it and its own children."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its own session: nobody else is in it
            process.wait(STOPPING)
    if process.stdout is not None:
        process.stdout.close()


def generate(
    url: str,
    *,
    requests: int,
    connections: int,
    first: int,
    seconds: float,
    more: Sequence[str] = (),
) -> dict[str, Any]:
    """One run of the load generator, in its own process; *more* are options of its command.

    Raises:
        RuntimeError: it took longer than *seconds*, or not every answer was 200 or 202.
    """
    command = [
        *(sys.executable, "-m", "benchmarks.load", url),
        *("--requests", str(requests), "--connections", str(connections), "--first", str(first)),
        *more,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        msg = f"{requests} requests to {url} took longer than {seconds:g} s"
        raise RuntimeError(msg) from None
    if done.returncode:
        msg = f"the load generator failed: {done.stdout} {done.stderr[-2000:]}"
        raise RuntimeError(msg)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@dataclass(frozen=True, slots=True)
class Api:
    """The management API of a gateway at *url*."""

    url: str
    key: str

    def call(
        self, path: str, body: Mapping[str, object] | None = None, method: str | None = None
    ) -> str:
        """GET *path*, or POST *body* to it, unless *method* says otherwise; the answer's text.

        Raises:
            urllib.error.HTTPError: it was refused.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)  # noqa: S310 our own URL
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            text: str = response.read().decode()
        return text

    def make(self, what: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Create one of *what*, say ``subscriptions``."""
        made: dict[str, Any] = json.loads(self.call(f"/v1/{what}", body))
        return made

    def delivered(self) -> int:
        """How many attempts were recorded as delivered since the gateway started."""
        return self.metric("onehook_delivery_attempts_total", 'outcome="delivered"')

    def round_trips(self) -> int:
        """How often the gateway has asked something of its store since it started."""
        return self.metric("onehook_store_round_trips_total")

    def metric(self, name: str, labels: str = "") -> int:
        """The sum of the samples of *name* that hold *labels*."""
        return sum(
            int(float(line.rpartition(" ")[2]))
            for line in self.call("/metrics").splitlines()
            if line.startswith((name + "{", name + " ")) and labels in line
        )
