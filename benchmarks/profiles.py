"""What a process spends its time on, by step of the way of a webhook: a sampling profile, read."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_RATE = 200  # samples a second
_ENDING = 30.0  # seconds that the profiler may take to write what it saw

# A sample counts for the innermost frame that is named here: part of the file's path, functions
# ((): all of the file), step.
_STEPS: Sequence[tuple[str, Sequence[str], str]] = (
    ("ingest/steps.py", ("_verify",), "verify"),
    ("ingest/steps.py", ("_admit",), "receive"),
    ("ingest/steps.py", ("_parse",), "parse"),
    ("ingest/steps.py", ("_apply", "_complete"), "normalize"),
    ("ingest/steps.py", ("_route",), "route"),
    ("ingest/steps.py", ("_pack", "_hand_on"), "commit"),
    ("ingest/committer.py", (), "commit"),
    ("onehook/store/", (), "commit"),
    ("redis/", (), "commit"),
    ("ingest/handler.py", ("_answer", "_json", "_ignored", "_refuse"), "answer"),
    ("aiohttp/web_response.py", (), "answer"),
    ("aiohttp/web_protocol.py", ("finish_response",), "answer"),
    ("aiohttp/http_writer.py", (), "answer"),
    ("onehook/ingest/", (), "receive"),
    ("onehook/web/server.py", (), "receive"),
    ("aiohttp/", (), "receive"),
    ("onehook/deliver/", (), "deliver"),
)
# Threads that wait, which the profiler takes to be at work: they sleep in C.
_WAITING = ("_worker (concurrent/futures/thread.py", "_run_safe_shutdown_loop (")
_REST = "event loop, and what runs beside"


@contextmanager
def shares_of(pid: int, output: Path) -> Iterator[dict[str, float]]:
    """The share of each step in what process *pid* does in the block; there after it.

    Raises:
        RuntimeError: the profiler failed; its message says why.
    """
    spy = Path(sys.executable).with_name("py-spy")
    command = [str(spy), "record", "--pid", str(pid), "--format", "raw", "--output", str(output)]
    command += ["--rate", str(_RATE), "--duration", "unlimited"]
    profiler = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    shares: dict[str, float] = {}
    try:
        yield shares
        profiler.send_signal(signal.SIGINT)
        said, _ = profiler.communicate(timeout=_ENDING)
    finally:
        if profiler.poll() is None:
            profiler.kill()
            profiler.wait()
    if not output.exists():
        msg = f"the profiler failed: {said[-1000:]}"
        raise RuntimeError(msg)
    counts = count_steps(output.read_text().splitlines())
    total = counts.total()
    shares.update((step, counts[step] / total) for step in sorted(counts))


def count_steps(stacks: Sequence[str]) -> Counter[str]:
    """Samples by step; each of *stacks* is ``outermost;…;innermost count``."""
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not any(waiting in frames[-1] for waiting in _WAITING):
            counts[_step_of(frames)] += int(count)
    return counts


def _step_of(frames: Sequence[str]) -> str:
    for frame in reversed(frames):
        name, _, place = frame.partition(" (")
        function = name.rpartition(".")[2]
        for path, functions, step in _STEPS:
            if path in place and (not functions or function in functions):
                return step
    return _REST
