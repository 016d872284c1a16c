r"""Measures a model server: requests per second, and how long their answers take.

    python examples/serving/load_test.py --photo=dark.jpg --clients=8 --seconds=30
    python examples/serving/load_test.py --photo=dark.jpg --server=http://localhost:8501 \
        --json=load.json

Each client sends its next request when it has the answer to the last one, and repeats none that
failed. The time of an answer is seen from the client, with its transport; only requests that were
answered count. What begins in --seconds is waited for.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import pathlib
import sys
import threading
import time

import numpy as np

from drgn_tf.cli import program
from drgn_tf.errors import UserError
from drgn_tf.files import atomic_path
from drgn_tf.serving import Client, Retries, ServerError

_ONCE = Retries(attempts=1)


@dataclasses.dataclass
class _Results:
    """Of one client: seconds of each answer, and number of errors by code."""

    seconds: list[float]
    errors: collections.Counter[str]


def main() -> None:
    """Prints a table, and writes it as JSON; raises UserError if no request was answered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", required=True, type=pathlib.Path, help="sent in each request")
    parser.add_argument("--server", default="grpc://localhost:8500", help="or http://host:8501")
    parser.add_argument("--model", default="drgn", help="its name on the server")
    parser.add_argument("--clients", default=8, type=int, help="at the same time")
    parser.add_argument("--seconds", default=30.0, type=float, help="of sending")
    parser.add_argument("--batch", default=1, type=int, help="photos in each request")
    parser.add_argument("--brightness", type=float, help="mean luma of the results, 0.02 to 0.95")
    parser.add_argument("--timeout", default=60.0, type=float, help="seconds for each request")
    parser.add_argument("--json", type=pathlib.Path, help="file for the result")
    flags = parser.parse_args()
    if flags.clients < 1 or flags.batch < 1 or flags.seconds <= 0:
        raise UserError("--clients, --batch and --seconds must be positive.")
    report = _measure(flags, [flags.photo.read_bytes()] * flags.batch)
    for name, value in report.items():
        print(f"{name:24} {value}")
    if flags.json:
        with atomic_path(flags.json) as staged:
            staged.write_text(json.dumps(report, indent=2) + "\n")
    if not report["requests"]:
        raise UserError(f"{flags.server}: no request was answered.")


def _measure(flags: argparse.Namespace, photos: list[bytes]) -> dict[str, object]:
    with _client(flags) as client:
        # Fails here if at all, and once.
        client.enhance(photos, brightness=flags.brightness)
    ready = threading.Barrier(flags.clients + 1)

    def ask() -> _Results:
        results = _Results([], collections.Counter())
        with _client(flags) as client:
            ready.wait()
            stop = time.monotonic() + flags.seconds
            while (begin := time.monotonic()) < stop:
                try:
                    client.enhance(photos, brightness=flags.brightness)
                    results.seconds.append(time.monotonic() - begin)
                except ServerError as error:
                    results.errors[error.code] += 1
        return results

    with concurrent.futures.ThreadPoolExecutor(flags.clients) as pool:
        asking = [pool.submit(ask) for _ in range(flags.clients)]
        ready.wait()
        begin = time.monotonic()
        results = [future.result() for future in asking]
        seconds = time.monotonic() - begin
    answered = [value for result in results for value in result.seconds]
    errors = sum((result.errors for result in results), collections.Counter[str]())
    report: dict[str, object] = {
        "server": flags.server,
        "clients": flags.clients,
        "photos per request": flags.batch,
        "bytes per request": sum(map(len, photos)),
        "seconds": round(seconds, 3),
        "requests": len(answered),
        "requests per second": round(len(answered) / seconds, 3),
        "errors": dict(errors),
    }
    for name, share in (("p50", 50), ("p95", 95), ("p99", 99), ("longest", 100)):
        value = round(1000 * float(np.percentile(answered, share)), 1) if answered else None
        report[f"{name} ms"] = value
    return report


def _client(flags: argparse.Namespace) -> Client:
    return Client(flags.server, flags.model, timeout=flags.timeout, retries=_ONCE)


if __name__ == "__main__":
    try:
        main()
    except (UserError, OSError) as error:
        sys.exit(program.error_line(error))
