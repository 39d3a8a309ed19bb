"""The library for function authors beside the functions' own requirements, in environments made by uv."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
PROBES = Path(__file__).parent
FLAT = {
    "operation": "query",
    "operation_name": "find",
    "fields": {"/": ["pet", "echo"], "/pet/": ["name", "owner"], "/pet/owner/": ["name"]},
}

type Environment = Callable[..., Path]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Make a virtual environment with these requirements; gives its Python."""
    uv = shutil.which("uv", path=str(PROJECT / ".bootstrap/bin")) or shutil.which("uv")
    made: dict[tuple[str, ...], Path] = {}

    def make(*requirements: str) -> Path:
        if requirements not in made:
            folder = tmp_path_factory.mktemp("venv")
            python = folder / "bin/python"
            subprocess.run([str(uv), "venv", "-q", "--python", sys.executable, "--clear", folder], check=True)
            if requirements:
                command: list[str | Path] = [
                    str(uv),
                    "pip",
                    "install",
                    "-q",
                    "--python",
                    python,
                    *requirements,
                ]
                subprocess.run(command, check=True)
            made[requirements] = python
        return made[requirements]

    return make


def run(python: Path, *arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the layer's own packages on the path."""
    given = {"PYTHONPATH": str(PROJECT / "shared"), **environ}
    return subprocess.run([python, *arguments], env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("requirement", "version"), [("graphene==2.1.9", 2), ("graphene>=3,<4", 3)])
def test_graphene_2_and_3_give_the_same(environment: Environment, requirement: str, version: int) -> None:
    """Scalar, errors, operations and flattening are the same with graphene 2.1.9 and with 3."""
    done = run(environment(requirement), PROBES / "utility_probe.py")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["version"] == version
    assert found["literal"] == {"a": [1, 2.5, True, "t"], "e": "RED"}
    assert found["variable"] == {"n": [1, None]}
    assert found["operation"] == (
        "query pet($tag: JSON, $ids: [Int!]) { pet(tag: $tag, ids: $ids) { name tag owner { name } } }"
    )
    pet = {"name": "Rex", "tag": None, "owner": {"name": "Ada"}}
    assert found["answer"] == {"pet": pet}
    assert found["failure"]["message"] == "no pets"
    assert found["failure"]["path"] == ["fail"]
    assert found["flat"] == [FLAT]


@pytest.mark.parametrize(
    ("use", "library", "advice"),
    [
        ("JSON()", "graphene", "graphene==2.1.9"),
        ("JSON(required=True)", "graphene", "graphene==2.1.9"),
        ("Graphql.extract_flatten_ast('{a}')", "graphql", "graphene==2.1.9"),
        ("Utility.create_database_session({})", "sqlalchemy.engine", "SQLAlchemy"),
    ],
)
def test_without_the_library_the_use_says_what_to_add(
    environment: Environment, use: str, library: str, advice: str
) -> None:
    """Importing the names needs nothing; using them says in one line what requirements.txt lacks."""
    names = "from silvaengine_utility import JSON, Graphql, Utility"
    assert run(environment(), "-c", names).returncode == 0
    last = run(environment(), "-c", f"{names}; {use}").stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {library} is missing: add {advice}")
    assert last.endswith("to functions/requirements.txt")


def test_a_database_session(environment: Environment) -> None:
    """Settings become a session; a password of any characters is quoted."""
    code = (
        "from silvaengine_utility import Utility; from sqlalchemy import text;"
        "s = Utility.create_database_session({'type': 'sqlite', 'driver': 'pysqlite', 'schema': ':memory:'});"
        "print(s.execute(text('select 41 + 1')).scalar(), s.autoflush);"
        "s = Utility.create_database_session({'user': 'u', 'password': 'p@/:w', 'host': 'h', 'port': '3306',"
        " 'schema': 'd'}); url = s.get_bind().url; print(url.drivername, url.password, url.query['charset'])"
    )
    done = run(environment("SQLAlchemy", "pymysql"), "-c", code)
    assert done.stdout.split() == ["42", "False", "mysql+pymysql", "p@/:w", "utf8mb4"], done.stderr


@pytest.mark.parametrize("aws", ["engine"], indirect=True)
@pytest.mark.parametrize("pynamodb", ["pynamodb==5.5.1", "pynamodb>=6,<7"])
def test_models_on_the_functions_own_pynamodb(
    environment: Environment, dynamodb: Any, aws: str, pynamodb: str
) -> None:
    """A whitelist in the contract's form is read with the pynamodb that a package pins, whichever it is."""
    item = {
        "endpoint_id": {"S": "acme"},
        "api_key": {"S": "#####"},
        "functions": {"L": [{"M": {"aws_lambda_arn": {"S": "arn"}, "function": {"S": "f"}}}]},
        "whitelist": {"L": [{"S": "10.0.0.0/8"}]},
    }
    dynamodb.put_item(TableName="se-connections", Item=item)
    code = (
        "from silvaengine_base import ConnectionModel; from silvaengine_utility import Utility;"
        "c = ConnectionModel.get('acme', '#####'); print(Utility.in_subnet('10.1.2.3', c.whitelist[0]));"
        "print(Utility.json_normalize(c)['functions'][0]['function'])"
    )
    environ = {"AWS_ENDPOINT_URL": aws, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    done = run(environment(pynamodb, "boto3"), "-c", code, REGIONNAME="us-east-1", **environ)
    assert done.stdout.split() == ["True", "f"], done.stderr
