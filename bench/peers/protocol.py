"""How a peer is asked for a measurement, and tells of it: the job is the last argument, the reports are JSON lines on stdout (bench/job.ts)."""
import json
import os
import sys
import time
from importlib.metadata import version

PROMPT = "a red apple on a blue background"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

# A descriptor of our own: stable-diffusion.cpp closes stdout while it works.
REPORTS = os.fdopen(os.dup(1), "w")


def job() -> dict:
    return json.loads(sys.argv[-1])


def report(event: str, **fields) -> None:
    print(json.dumps({"event": event, **fields}), file=REPORTS, flush=True)


def mark(name: str) -> None:
    report("mark", name=name)


def versions(*packages: str) -> None:
    report("versions", versions={package: version(package) for package in packages})


def measure(repeats: int, work) -> None:
    """One call to load what it needs, then `repeats` with a clock."""
    work()
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        report("call", seconds=time.perf_counter() - begun)


def run(measures: dict) -> None:
    """Does the job with the function of its task."""
    asked = job()
    try:
        measures[asked["task"]](asked)
    except Exception as error:  # whatever it is, the benchmark goes on without this number
        report("failed", reason=f"{type(error).__name__}: {error}".splitlines()[0])
        sys.exit(1)
