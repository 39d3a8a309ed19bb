"""The local engine as a process: what it keeps, what it leaves behind, and who may use it."""

import socket
import tempfile
from pathlib import Path

import pytest

from silvaengine_cli.engine import HOST, EngineError, LocalEngine, local_engine


def table_names(engine: LocalEngine) -> list[str]:
    """Return the names of the engine's tables."""
    names: list[str] = engine.client("dynamodb").list_tables()["TableNames"]
    return names


def test_state_and_port_are_kept_until_fresh(engine_program: Path, tmp_path: Path) -> None:
    """A second run has the tables, objects and port of the first; a fresh one begins empty."""
    state = tmp_path / "state"
    with local_engine(engine_program, state) as engine:
        port = engine.port
        engine.client("dynamodb").create_table(
            TableName="kept",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        engine.client("s3").create_bucket(Bucket="kept")
        engine.client("s3").put_object(Bucket="kept", Key="object", Body=b"content")
    with local_engine(engine_program, state) as engine:
        assert (engine.port, table_names(engine)) == (port, ["kept"])
        assert engine.client("s3").get_object(Bucket="kept", Key="object")["Body"].read() == b"content"
    with local_engine(engine_program, state, fresh=True) as engine:
        assert table_names(engine) == []


def test_state_has_one_user(engine_program: Path, tmp_path: Path) -> None:
    """A second engine on the same state is refused, and leaves the first alone."""
    with local_engine(engine_program, tmp_path / "state") as first:
        with pytest.raises(EngineError, match="another engine uses"):
            local_engine(engine_program, tmp_path / "state", fresh=True).__enter__()
        assert table_names(first) == []


def test_port_in_use_is_said_so(engine_program: Path, tmp_path: Path) -> None:
    """A port that was asked for and is taken is an error, and the next run's port is still the last one."""
    state = tmp_path / "state"
    with local_engine(engine_program, state) as first:
        busy = first.port
        with pytest.raises(EngineError, match=f"port {busy} of 127.0.0.1 is in use"):
            local_engine(engine_program, tmp_path / "other", port=busy).__enter__()
    with local_engine(engine_program, state) as again:
        assert again.port == busy


def test_nothing_is_left_of_an_engine_that_ended(
    engine_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an error inside the block, the process and its temporary files are gone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ports = []

    def use() -> None:
        with local_engine(engine_program, tmp_path / "state") as engine:
            ports.append(engine.port)
            assert list(tmp_path.glob("silvaengine-*"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert not list(tmp_path.glob("silvaengine-*"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, ports[0]))


def test_failed_start_says_why(tmp_path: Path) -> None:
    """An engine that ends instead of getting ready is an error with the end of its log."""
    program = tmp_path / "ministack"
    program.write_text("#!/bin/sh\necho no room on this machine; exit 1\n")
    program.chmod(0o755)
    with pytest.raises(EngineError, match="no room on this machine"):
        local_engine(program, tmp_path / "state").__enter__()


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
def test_only_one_address_is_served(engine: LocalEngine) -> None:
    """The engine listens on 127.0.0.1, not on all addresses."""
    with pytest.raises(OSError, match=r"refused|assign|unreachable"):
        socket.create_connection(("127.0.0.2", engine.port), timeout=5)
