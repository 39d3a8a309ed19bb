"""A cluster of Redis servers, and the network between them, which can pause."""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import redis as redis_py
from tests.redis_server import running_redis

SLOTS = 16_384
BUS = 10_000  # by how much the port is higher on which a node listens to the others
READY_SECONDS = 20.0


class Network:
    """What the nodes of a cluster speak to one another over; clients don't."""

    def __init__(self) -> None:
        self._goes_on = Event()
        self._goes_on.set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold everything up for the length of the block; nothing is lost, and no connection cut."""
        self._goes_on.clear()
        try:
            yield
        finally:
            self._goes_on.set()

    def lead(self, door: socket.socket, port: int) -> None:
        """Pass on what comes in by the door to the bus of the node with this port."""
        Thread(target=self._accept, args=(door, port + BUS), daemon=True).start()

    def _accept(self, door: socket.socket, port: int) -> None:
        with suppress(OSError):
            while True:
                outside, _ = door.accept()
                inside = socket.create_connection(("127.0.0.1", port))
                for origin, target in ((outside, inside), (inside, outside)):
                    Thread(target=self._pipe, args=(origin, target), daemon=True).start()

    def _pipe(self, origin: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := origin.recv(65_536):
                self._goes_on.wait()
                target.sendall(data)
        target.close()


@contextmanager
def running_cluster(folders: Sequence[Path], network: Network) -> Iterator[list[int]]:
    """Run masters that share the slots, a folder each; give their ports."""
    with ExitStack() as stack:
        doors = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in folders]
        buses = [door.getsockname()[1] for door in doors]
        ports = []
        for folder, door, bus in zip(folders, doors, buses, strict=True):
            options = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"]
            options += ["--cluster-announce-ip", "127.0.0.1", "--cluster-announce-bus-port", str(bus)]
            port, _ = stack.enter_context(running_redis(folder, *options, "--cluster-node-timeout", "1000"))
            network.lead(door, port)
            ports.append(port)
        nodes: list[Any] = [redis_py.Redis(port=port) for port in ports]
        for number, node in enumerate(nodes):
            first, last = SLOTS * number // len(nodes), SLOTS * (number + 1) // len(nodes)
            node.execute_command("CLUSTER", "ADDSLOTS", *range(first, last))
        for port, bus in zip(ports[1:], buses[1:], strict=True):
            nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        wait_until(ports, "ok")
        yield ports


def wait_until(ports: Sequence[int], state: str) -> None:
    """Wait until every node knows the others and is in this state, ``ok`` or ``fail``."""
    nodes: list[Any] = [redis_py.Redis(port=port) for port in ports]
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        said = [str(node.execute_command("CLUSTER", "INFO")) for node in nodes]
        if all(f"cluster_state:{state}" in each and f"known_nodes:{len(nodes)}" in each for each in said):
            return
        time.sleep(0.1)
    raise TimeoutError(f"the cluster is not {state}")
