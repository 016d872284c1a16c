"""The program that makes samples for trainers on other machines."""

import os
import pathlib
import signal
import socket
import subprocess
import sys

from drgn_tf.data.service import check_servers

PROGRAM = pathlib.Path(__file__).parents[1] / "data_service_main.py"


def start(port: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, PROGRAM, f"--port={port}", "--host=localhost"],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_serves_until_it_is_told_to_end():
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    process = start(port)
    try:
        assert process.stdout.readline() == f"makes samples at grpc://localhost:{port}\n"
        check_servers([f"grpc://localhost:{port}"])
        second = start(port)
        _, said = second.communicate(timeout=120)
        assert second.returncode == 1
        lines = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and str(port) in lines[0] and "--port" in lines[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
