"""The server: the command from its start to its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from metriccd.cli import main
from viewed import copied, viewer


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    return copied(tmp_path_factory.mktemp("made"), size=(96, 128))


def test_it_prints_its_address_answers_and_ends_when_it_is_told(out: Path) -> None:
    command = [sys.executable, "-m", "metriccd", "view", str(out), "--no-open"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(address, timeout=60) as answer:
        assert answer.url.endswith("/r/0/")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(address.split("?")[0], timeout=60)
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert rest == ""
    assert said == "Ctrl-C ends the viewer; answers are kept as they are given.\n"


def test_a_port_that_is_taken_is_said(out: Path, capsys) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["view", str(out), "--no-open", "--port", str(port)]) == 3
    assert f"--port must be free: {port} is not" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_a_port_that_is_none_is_wrong_usage(out: Path, port: str) -> None:
    assert main(["view", str(out), "--no-open", "--port", port]) == 2


def test_what_is_no_result_is_said(tmp_path: Path, capsys) -> None:
    assert main(["view", str(tmp_path), "--no-open"]) == 3
    assert "holds no run.json" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there are no such signals")
def test_a_terminal_that_is_closed_ends_it_also_amid_requests(out: Path) -> None:
    # Whoever runs the tests may have it ignored, which children take over.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "metriccd", "view", str(out), "--no-open"],
            stdout=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with suppress(OSError):
                urllib.request.urlopen(address, timeout=10)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    time.sleep(1)
    process.send_signal(signal.SIGHUP)
    try:
        assert process.wait(30) == 0
    finally:
        stop.set()
        process.kill()
        for thread in asking:
            thread.join()


def test_whoever_connects_and_asks_nothing_is_sent_away(out: Path, monkeypatch) -> None:
    monkeypatch.setattr("metriccd.view.server.HURRY", 0.2)
    with viewer(out) as (server, client):
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        idle.sendall(b"GET / HTTP/1.1\r\nHost: ")
        with suppress(ConnectionResetError):
            assert idle.recv(1) == b""
        idle.close()
        assert client.ask("/r/0/state")[0] == 200
