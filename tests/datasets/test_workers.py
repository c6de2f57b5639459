"""Rows made by processes and by a Dask cluster of real processes on this machine."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster

from rehearse import datasets
from rehearse.cli.data import command
from rehearse.datasets import GeneratedTable, workers
from rehearse.datasets import cluster as cluster_workers
from rehearse.errors import Missing, RehearseError
from rehearse.reading import profile as profiles

SHOP = Path(__file__).parents[2] / "scenarios" / "shop" / "schema.sql"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A scheduler and two workers, each a process of its own."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as started:
        yield started


@pytest.fixture(scope="module")
def tables(server: Any) -> list[GeneratedTable]:
    """The shop's tables, the larger ones of several chunks."""
    database = server.create("workers_shop")
    database.run_file(SHOP)
    opened = datasets.open_tables(profiles.find("shop"), database.structure(), scale=0.005, seed=3)
    database.drop()
    return list(opened)


def checksums(named: str, tables: list[GeneratedTable]) -> dict[str, str]:
    with datasets.made_by(workers.named(named), tables) as made:
        return {table.table: checksum(table) for table in made}


def checksum(table: GeneratedTable) -> str:
    digest = hashlib.sha256()
    for chunk in table.chunks():
        digest.update(chunk.serialize())
    return digest.hexdigest()


@pytest.mark.slow
def test_the_bytes_of_every_table_do_not_depend_on_who_makes_them(tables: list[GeneratedTable], cluster: Any) -> None:
    assert sum(table.rows > 32_768 for table in tables) >= 2  # else no worker is asked
    alone = checksums("0", tables)
    assert checksums("1", tables) == alone
    assert checksums("4", tables) == alone
    assert checksums(cluster.scheduler_address, tables) == alone


def _maker(_known: object, _number: int) -> int:
    return os.getpid()


def _size(known: bytes, _number: int) -> int:
    return len(known)


@pytest.mark.slow
def test_other_processes_make_the_rows(cluster: Any) -> None:
    for named in ("2", cluster.scheduler_address):
        with workers.named(named).open(b"") as making:  # type: ignore[union-attr]
            makers = set(making.each(_maker, ((number,) for number in range(50))))
        assert os.getpid() not in makers
        assert 1 <= len(makers) <= 2


@pytest.mark.slow
def test_what_is_known_goes_to_a_worker_once_and_not_with_each_chunk(cluster: Any) -> None:
    known, tasks = bytes(5_000_000), [(number,) for number in range(200)]
    with workers.named(cluster.scheduler_address).open(known) as making:  # type: ignore[union-attr]
        before = sum(cluster_received(cluster))
        assert set(making.each(_size, tasks)) == {5_000_000}
        assert sum(cluster_received(cluster)) - before < 5_000_000


def cluster_received(cluster: Any) -> list[int]:
    """Return the bytes that each worker has read from its sockets so far."""
    pids = [worker.pid for worker in cluster.workers.values()]
    return [psutil.Process(pid).io_counters().read_chars for pid in pids]


def test_no_more_than_a_few_chunks_are_ahead() -> None:
    sent: list[int] = []

    def submit(_deed: object, number: int) -> Future[int]:
        sent.append(number)
        done: Future[int] = Future()
        done.set_result(number)
        return done

    making = workers.Making(submit=submit, ahead=3, place="here", lost=())
    taken = []
    for number in making.each(abs, ((number,) for number in range(100))):
        taken.append(number)
        assert len(sent) - len(taken) <= 3
    assert taken == list(range(100))


def _die(_known: object, _number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_that_dies_is_told_without_a_traceback_of_ours() -> None:
    with workers.Processes(2).open(None) as making, pytest.raises(RehearseError, match="--workers 2: a worker ended"):
        list(making.each(_die, [(1,)]))


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed() -> None:
    program = (
        "from rehearse.datasets import workers\n"
        "from tests.datasets.test_workers import _maker\n"
        "if __name__ == '__main__':\n"
        "    with workers.Processes(2).open(None) as making:\n"
        "        print(*set(making.each(_maker, ((n,) for n in range(200)))), flush=True)\n"
        "        input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        children = [psutil.Process(pid) for pid in pids]
        parent.kill()
    assert children
    assert psutil.wait_procs(children, timeout=30)[1] == []


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_told_within_seconds() -> None:
    with socket.socket() as held:  # bound, and nobody listens
        held.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(Missing, match=rf"--workers {address}: no Dask scheduler answers"):
            workers.named(address).open(None).__enter__()  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_scheduler_without_workers_is_told() -> None:
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as empty,
        pytest.raises(Missing, match="the scheduler has no worker; start one on each machine: dask worker tcp://"),
        workers.named(empty.scheduler_address).open(None),  # type: ignore[union-attr]
    ):
        pass


@pytest.mark.slow
def test_workers_with_another_version_of_what_decides_the_bytes_are_refused(cluster: Any) -> None:
    ours = {**cluster_workers._versions(), "numpy": "0.1"}
    said = r"tcp://.* has numpy 2.*, and would make other rows; install there: pip install .* numpy==0\.1"
    with Client(cluster.scheduler_address, set_as_default=False) as client, pytest.raises(Missing, match=said):
        cluster_workers._same_versions(client, cluster.scheduler_address, ours)


@pytest.mark.slow
def test_workers_without_rehearse_are_refused(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['rehearse'] = None\n"
        "from distributed.cli.dask_worker import main\n"
        f"main([sys.argv[1], '--no-nanny', '--no-dashboard', '--local-directory', {str(tmp_path)!r}])"
    )
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as empty:
        address = empty.scheduler_address
        with subprocess.Popen([sys.executable, "-c", program, address], stderr=subprocess.DEVNULL) as worker:
            with pytest.raises(Missing, match=r"tcp://.* cannot make rows \(.*rehearse.*\); install there"):
                workers.named(address).open(None).__enter__()  # type: ignore[union-attr]
            worker.terminate()


@pytest.mark.slow
def test_without_dask_the_error_says_how_to_get_it() -> None:
    program = (
        "import sys; sys.modules['distributed'] = None\n"
        "from rehearse.datasets import workers; from rehearse.errors import Missing\n"
        "try: workers.named('tcp://127.0.0.1:1')\n"
        "except Missing as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'rehearse-migrations[cluster]'" in done.stdout


def test_a_factory_is_small_and_picklable() -> None:
    for named in ("3", "tcp://127.0.0.1:8786"):
        factory = workers.named(named)
        assert pickle.loads(pickle.dumps(factory)) == factory
        assert len(pickle.dumps(factory)) < 200


@pytest.mark.parametrize("text", ["-1", "two", "http://x", "1.5", ""])
def test_what_names_no_workers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a number of processes nor tcp://HOST:PORT"):
        workers.named(text)


@pytest.mark.slow
def test_the_files_that_a_cluster_fills_are_those_of_one_thread(cluster: Any, tmp_path: Path) -> None:
    sums = []
    for named in ("0", cluster.scheduler_address):
        out = tmp_path / named.replace("/", "")
        options = ["--out", str(out), "--schema", str(SHOP), "--workers", named, "--tables", "orders=70000"]
        done = CliRunner().invoke(command, ["shop", "--scale", "0.001", *options])
        assert done.exit_code == 0, done.output
        sums.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()})
    assert sums[0] == sums[1]
    assert len(sums[0]) == 8


@pytest.mark.slow
def test_progress_shows_rows_bytes_and_time_left_of_each_table(tmp_path: Path) -> None:
    terminal = {"FORCE_COLOR": "1", "COLUMNS": "160"}
    options = ["--out", str(tmp_path), "--schema", str(SHOP), "--scale", "0.001", "--tables", "orders=70000"]
    done = CliRunner(env=terminal).invoke(command, ["shop", *options])
    assert done.exit_code == 0, done.output
    shown = re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)
    assert re.search(r"orders +\S+ +70,000 of 70,000 rows +\d+\.\d MB +0:00:00", shown)
    assert re.search(r"reviews +\S+ +600 of 600 rows +\d+(\.\d)? kB", shown)


def _interrupts_are_held(_known: object, _number: int) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.slow
def test_ctrl_c_is_left_to_the_parent() -> None:
    with workers.Processes(2).open(None) as making:
        assert all(making.each(_interrupts_are_held, ((number,) for number in range(10))))
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
