"""The local engine as a process: what it keeps and leaves behind, who may use it, how it runs Lambdas."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError
from botocore.retries.standard import ExponentialBackoff
from click.testing import CliRunner

from silvaengine_cli.deploy import delete_unfinished, failed_resources, zip_files
from silvaengine_cli.engine import HOST, EngineError, LocalEngine, local_engine
from silvaengine_cli.main import cli


def table_names(engine: LocalEngine) -> list[str]:
    """Return the names of the engine's tables."""
    names: list[str] = engine.client("dynamodb").list_tables()["TableNames"]
    return names


def create_table(engine: LocalEngine, name: str) -> None:
    """Create a table."""
    engine.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )


def test_state_and_port_are_kept_until_fresh(engine_program: Path, tmp_path: Path) -> None:
    """A second run has the tables, objects and port of the first; a fresh one begins empty."""
    state = tmp_path / "state"
    with local_engine(engine_program, state) as engine:
        port = engine.port
        create_table(engine, "kept")
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


def test_engine_of_a_killed_user_saves_its_state_and_ends(engine_program: Path, tmp_path: Path) -> None:
    """After a kill -9 of its user the engine ends by itself, and the next one has its port and tables."""
    use = (
        "import sys, time; from pathlib import Path; from silvaengine_cli.engine import local_engine\n"
        "with local_engine(*map(Path, sys.argv[1:])) as engine:\n"
        "    print(engine.port, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", use, str(engine_program), str(tmp_path / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as user:
        assert user.stdout
        first = LocalEngine(int(user.stdout.readline()), tmp_path / "state.log")
        create_table(first, "kept")
        user.kill()
    with local_engine(engine_program, tmp_path / "state") as engine:
        assert (engine.port, table_names(engine)) == (first.port, ["kept"])


def test_queues_survive_a_change_of_the_port(engine_program: Path, tmp_path: Path) -> None:
    """A queue of an earlier run is at the new address: by the old one the engine finds it for nobody."""
    with local_engine(engine_program, tmp_path / "state") as engine:
        engine.client("sqs").create_queue(QueueName="kept")
        busy = engine.port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, busy))
        other.listen()
        with local_engine(engine_program, tmp_path / "state") as engine:
            assert engine.port != busy
            assert engine.client("sqs").get_queue_url(QueueName="kept")["QueueUrl"].startswith(engine.url)


def test_stack_whose_update_was_stopped_can_be_updated(engine_program: Path, tmp_path: Path) -> None:
    """A stack that an engine left in the middle of an update takes the next one."""
    template = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": %s}}}}'
    with local_engine(engine_program, tmp_path / "state") as engine:
        stacks = engine.client("cloudformation")
        stacks.create_stack(StackName="s", TemplateBody=template % 1)
        stacks.get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 0.1})
    saved = tmp_path / "state/services/cloudformation.json"
    assert 'Status": "CREATE_COMPLETE"' in saved.read_text()
    saved.write_text(saved.read_text().replace('Status": "CREATE_COMPLETE"', 'Status": "UPDATE_IN_PROGRESS"'))
    with local_engine(engine_program, tmp_path / "state") as engine:
        stacks = engine.client("cloudformation")
        stacks.update_stack(StackName="s", TemplateBody=template % 2)
        stacks.get_waiter("stack_update_complete").wait(StackName="s", WaiterConfig={"Delay": 0.1})


def test_stack_whose_creation_failed_is_made_again(engine: LocalEngine) -> None:
    """The resource that failed is named, and what is left of the stack makes room for the next attempt."""
    stacks = engine.client("cloudformation")
    template = '{"Resources": {"Inbox": {"Type": "AWS::CloudFormation::Stack"}}}'
    stacks.create_stack(StackName="failed", TemplateBody=template)
    with pytest.raises(WaiterError):
        stacks.get_waiter("stack_create_complete").wait(StackName="failed", WaiterConfig={"Delay": 0.1})
    (line,) = failed_resources(stacks, "failed")
    assert line.startswith("Inbox failed: ")
    delete_unfinished(stacks, "failed")
    stacks.create_stack(StackName="failed", TemplateBody='{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}')
    stacks.get_waiter("stack_create_complete").wait(StackName="failed", WaiterConfig={"Delay": 0.1})
    delete_unfinished(stacks, "failed")
    assert stacks.describe_stacks(StackName="failed")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"


def test_nothing_is_left_of_an_engine_that_ended(engine_program: Path, tmp_path: Path) -> None:
    """After an error inside the block, the process and its temporary files are gone."""
    ports = []

    def use() -> None:
        with local_engine(engine_program, tmp_path / "state") as engine:
            ports.append(engine.port)
            assert (tmp_path / "state.tmp").exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert not (tmp_path / "state.tmp").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, ports[0]))


def test_engine_that_is_gone_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a `silvaengine dev` that was killed has left names an engine at which nothing answers."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)  # between attempts to connect
    result = CliRunner().invoke(
        cli, ["list", "--endpoint-url", "http://127.0.0.1:1", "--table-prefix", "se-"]
    )
    assert (result.exit_code, result.output.endswith(": start `silvaengine dev`\n")) == (1, True)


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


SLOW_START = """
import os, time
from pathlib import Path

mark = Path(os.environ["STARTING"], str(os.getpid()))
mark.touch()
time.sleep(0.3)  # as a start takes
starting = len(list(mark.parent.iterdir()))
mark.unlink()


def handler(event, context):
    print("called")
    return [os.getpid(), starting, os.path.realpath(__file__)]
"""


IMPORTER = b"""
import sys

at_start = "botocore" in sys.modules


def handler(event, context):
    print("called")
    from botocore.handlers import BUILTIN_HANDLERS
    return [at_start, BUILTIN_HANDLERS[-1][1].__name__]
"""


def create_function(engine: LocalEngine, name: str, files: Mapping[str, bytes], **settings: Any) -> None:
    """Make a function of files, with a role of its own; the module of its name has the handler."""
    role = engine.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    engine.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler=f"{name}.handler",
        Role=role,
        Code={"ZipFile": zip_files(files)},
        Timeout=60,
        **settings,
    )


def test_a_cold_start_is_without_botocore(engine: LocalEngine) -> None:
    """A function has it when it imports it, with the engine's own change, by which loops of calls end."""
    create_function(engine, "importer", {"importer.py": IMPORTER})
    answer = engine.client("lambda").invoke(FunctionName="importer")["Payload"].read()
    assert json.loads(answer) == [False, "_ms_add_invoke_depth"]


def test_a_burst_of_first_calls_starts_few_processes_at_a_time(engine: LocalEngine, tmp_path: Path) -> None:
    """Thirty at once would starve one another; all share one unpacked artefact, later ones its files."""
    functions = engine.client("lambda")
    files = {"burst.py": SLOW_START.encode(), "deep/same.py": b""}
    create_function(engine, "burst", files, Environment={"Variables": {"STARTING": str(tmp_path)}})

    def call(_: int) -> list[Any]:
        answer: list[Any] = json.loads(functions.invoke(FunctionName="burst")["Payload"].read())
        return answer

    with ThreadPoolExecutor(30) as callers:
        answers = list(callers.map(call, range(30)))
    pids, starting, places = (set(values) for values in zip(*answers, strict=True))
    assert 1 < len(pids) < 30
    assert max(starting) <= (os.cpu_count() or 1) + 1  # and the first one
    assert len(places) == 1

    unpacked = Path(places.pop()).parent
    same = (unpacked / "deep/same.py").stat().st_ino
    changed = zip_files({"burst.py": SLOW_START.encode() + b"# changed", "deep/same.py": b""})
    update = functions.update_function_code(FunctionName="burst", ZipFile=changed, Publish=True)
    assert (update["State"], update["LastUpdateStatus"]) == ("Active", "Successful")
    code = Path(call(0)[2])
    assert code.read_text().endswith("# changed")
    assert (code.parent / "deep/same.py").stat().st_ino == same
    assert not unpacked.exists()
