"""What `silvaengine.toml` says of an application's stages, and where the parts of one are."""

from decimal import Decimal
from pathlib import Path

import click
import pytest

from silvaengine_cli.deployment import DEV_FILE, read_local_deployment
from silvaengine_cli.platform_sources import platform_sources
from silvaengine_cli.project import Project, find_application
from silvaengine_cli.publishing.package import Package

CLONE = Path(__file__).parents[3]
FILE = """
stack = "shop"
region = "eu-central-1"

[stages.dev]

[stages.prod]
region = "eu-west-1"

[stages.prod.parameters]
LogRetentionDays = 90
AccessLogs = true
SubnetIds = ["subnet-1", "subnet-2"]

[stages.prod.schedules]
nightly = "cron(0 3,4 * * ? *)"
hourly = "rate(1 hour)"

[stages.prod.environment]
CURRENCY = "EUR"

[stages.prod.settings.greeter]
greeting = "Good day"
share = 0.1
"""


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """An application's folder with a file of each kind."""
    (tmp_path / "silvaengine.toml").write_text(FILE)
    (tmp_path / "packages/hello").mkdir(parents=True)
    return tmp_path


def test_an_application_is_found_from_a_folder_in_it(application: Path) -> None:
    """Commands work in the application's folder and below."""
    project = Project.find(application / "packages/hello")
    assert (project.folder, project.stack, project.region) == (application, "shop", "eu-central-1")
    assert project.packages == application / "packages"
    assert project.registry == application / "registry.yaml"


def test_a_stage_has_a_stack_and_tables_of_its_own(application: Path) -> None:
    """What a stage leaves out follows from its name; values are texts, as CloudFormation takes them."""
    prod = Project.find(application).stage("prod")
    assert (prod.stack, prod.region) == ("shop-prod", "eu-west-1")
    assert prod.parameters == {
        "Stage": "prod",
        "TablePrefix": "shop-prod-",
        "EventSchedules": "nightly=cron(0 3;4 * * ? *),hourly=rate(1 hour)",
        "LogRetentionDays": "90",
        "AccessLogs": "true",
        "SubnetIds": "subnet-1,subnet-2",
    }
    assert prod.environment == {"CURRENCY": "EUR"}
    assert prod.settings == {"greeter": {"greeting": "Good day", "share": Decimal("0.1")}}
    assert Project.find(application).stage("dev").region == "eu-central-1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[stages.dev.paramters]", "stages.dev.paramters: unknown field (did you mean parameters?)"),
        ('[stages.dev.parameters]\nLogLvel = "INFO"', "no parameter LogLvel (did you mean LogLevel?)"),
        ("[stages.dev.parameters]\nRedisPort = 0", "RedisPort is 0; expected a number from 1"),
        ('[stages.dev.parameters]\nStage = "beta"', "parameters.Stage: is the stage's name, 'dev'"),
        ("[stages.dev.parameters]\nLogLevel = 1979-05-27", "must be text, a number, true, false or a list"),
        ("[stages.dev.parameters]\nEventSchedules = 1", "EventSchedules: is made of stages.dev.schedules"),
        ("[stages.dev.schedules]\nnightly = 3", "stages.dev.schedules.nightly: must be text"),
        ('[stages.dev.schedules]\nn = "3 am"', "schedules.n: '3 am' must be rate(1 hour) or cron("),
        ('[stages.dev.schedules]\nn = "cron(a=b)"', "must be rate(1 hour) or cron("),
        ("[stages.dev.settings.tax]\nsince = [1979-05-27]", "settings.tax.since: must be text in quotes"),
        ("[stages.dev.settings.tax]\nrate = {most = inf}", "settings.tax.rate: must be a finite number"),
        ("[stages.dev]\nregion = 'nowhere 1'", "'nowhere 1' must be a region such as eu-central-1"),
        ("[stages.test-1]", "'test-1' must be a stage: 1 to 32 letters and digits"),
        ("[stages.dev.environment]\n_X = 1", "'_X' must be 2 to 128 letters"),
        ("[stages.dev", "at line 5, column 12"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(tmp_path: Path, line: str, message: str) -> None:
    """The file, the field and the closest name are said."""
    (tmp_path / "silvaengine.toml").write_text(f'stack = "shop"\n\n\n\n{line}\n')
    with pytest.raises(click.ClickException) as refusal:
        Project.find(tmp_path)
    assert message in refusal.value.format_message()
    assert str(tmp_path / "silvaengine.toml") in refusal.value.format_message()


def test_a_file_may_begin_as_an_editor_of_windows_does(tmp_path: Path) -> None:
    """A byte order mark is no mistake of whoever wrote it."""
    (tmp_path / "silvaengine.toml").write_bytes(b"\xef\xbb\xbfstack = 'shop'")
    assert Project.find(tmp_path).stack == "shop"


def test_a_stages_variables_are_those_of_all_packages(application: Path) -> None:
    """They are over a package's own; a stage that the file doesn't have leaves these as they are."""
    (application / "packages/hello/package.yaml").write_text(
        "package: hello\nenvironment: {default: {CURRENCY: USD, TAX: 1}, prod: {CURRENCY: GBP}}\n"
        "functions: {greet: {call: 'hello:greet', area: core}}\n"
    )
    package = Package.read(application / "packages/hello")
    assert package.environment("prod") == {"CURRENCY": "EUR", "TAX": "1"}
    assert package.environment("beta") == {"CURRENCY": "USD", "TAX": "1"}


def test_an_unknown_stage_is_refused_with_the_closest(application: Path) -> None:
    """A stage that was misspelt is never deployed under the wrong name."""
    with pytest.raises(click.UsageError, match=r"no stage 'prd' \(did you mean prod\?\)"):
        Project.find(application).stage("prd")


def test_without_an_application_the_way_to_one_is_said(tmp_path: Path) -> None:
    """Outside of an application and of a clone there is nothing to run."""
    with pytest.raises(click.ClickException, match="silvaengine new NAME"):
        Project.find(tmp_path)
    assert find_application(tmp_path) is None


def test_the_nearest_application_is_the_one(application: Path) -> None:
    """One in a folder of another, or of a clone, is its own: for its stages and for its engine."""
    (application / ".silvaengine").mkdir()
    (application / DEV_FILE).write_text('{"endpoint_url": "http://127.0.0.1:1"}')
    inner = application / "examples/inner"
    inner.mkdir(parents=True)
    assert read_local_deployment(inner) == {"endpoint_url": "http://127.0.0.1:1"}
    (inner / "silvaengine.toml").write_text('stack = "inner"')
    assert Project.find(inner).stack == "inner"
    with pytest.raises(click.ClickException, match="start `silvaengine dev` first"):
        read_local_deployment(inner)


def test_the_clone_is_an_application_with_the_stages_of_samconfig() -> None:
    """The repository's own parts are where they have been."""
    project = Project.find(CLONE / "docs")
    assert project.platform() == CLONE
    assert project.registry == CLONE / "services/worker/functions/registry.yaml"
    assert project.stage("prod").stack == "silvaengine-prod"
    assert project.stage("dev").parameters["TablePrefix"] == "dev-se-"


def test_an_application_may_have_folders_of_any_name(application: Path) -> None:
    """A template and services of its own don't make a clone of it."""
    (application / "template.yaml").touch()
    (application / "services").mkdir()
    project = Project.find(application)
    assert project.registry == application / "registry.yaml"
    assert project.platform() != application


def test_an_application_gets_the_platform_without_the_demo(application: Path) -> None:
    """All that `sam build` needs is there; of functions only the application's own, linked."""
    (application / "functions").mkdir()
    (application / "functions/shop.py").write_text("")
    platform = platform_sources(application)
    assert platform.parent == application / ".silvaengine/platform"
    for name in ("template.yaml", "uv.lock", "packaging/artefact.py", "shared/silvaengine/errors.py"):
        assert (platform / name).read_bytes() == (CLONE / name).read_bytes()
    worker, gateway = platform / "services/worker/functions", platform / "services/http_gateway/authorizers"
    assert [path.name for path in worker.iterdir()] == ["shop.py"]
    assert [path.name for path in gateway.iterdir()] == ["jwt-requirements.txt"]


def test_the_platform_follows_the_applications_functions(application: Path) -> None:
    """A function that came or went comes or goes in the copy; what hasn't changed isn't written again."""
    functions = application / "functions"
    functions.mkdir()
    (functions / "old.py").write_text("")
    platform = platform_sources(application)
    before = (platform / "template.yaml").stat()
    (functions / "old.py").rename(functions / "new.py")
    platform_sources(application)
    assert [path.name for path in (platform / "functions").iterdir()] == ["new.py"]
    assert (platform / "template.yaml").stat().st_ino == before.st_ino
