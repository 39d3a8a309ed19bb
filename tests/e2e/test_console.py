"""The console in a real browser, of the deployed stack."""

import json
import random
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from playwright.sync_api import Browser, Locator, Page, expect

from silvaengine_cli.console.serving import running_console
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import NAVIGATION
from silvaengine_cli.deploy import LOCAL_STACK
from silvaengine_cli.deployment import Deployment as CommandLine
from silvaengine_cli.logs.reader import Record
from silvaengine_cli.main import cli
from silvaengine_cli.publishing.rollout import Rollout
from silvaengine_cli.registry.describing import describe_shipped

from ..fakes.executions import JOB_ID, accepted_execution
from .conftest import Deployment, wait_for_record, wait_for_status
from .logs import FunctionLog
from .registry_rows import API_KEY
from .shop import PACKAGE, Shop, ask, build_of, open_to
from .test_announcements import eventually

expect.set_options(timeout=30_000)  # the machine may be busy
PICTURES = Path(__file__).parents[2] / "docs/pictures"
HTML = "<img src=x onerror=alert(1)>"
UNSTEADY = re.compile(
    "_(ms|mb)$|^(timestamp|cold_start|read_from|(request|trace|span|parent)_id|hours|rows)$"
)


@pytest.fixture(scope="module")
def address(deployment: Deployment) -> Iterator[str]:
    """The address of a console that may write."""
    target = CommandLine(stack=LOCAL_STACK, endpoint_url=deployment.engine.url)
    with running_console(Session(target, may_write=True)) as address:
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A window in which the console was opened, at phone width; what the browser complains of fails."""
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    yield page
    context.close()
    assert complaints == []


@pytest.mark.parametrize("name", NAVIGATION.values())
def test_a_page_is_accessible(page: Page, name: str) -> None:
    """In both themes the rules of axe-core find nothing, and at phone width nothing is cut off."""
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    for _ in range(2):
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.get_by_role("button", name="Switch theme").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_pages_are_walked_by_keys(page: Page, address: str) -> None:
    """Past what all pages have, along the pages, and to the theme; where one is can be seen."""
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.goto(f"{base(address)}/jobs")
    for name in ("Skip to content", *NAVIGATION.values()):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") in ("dark", "light")


def test_overview_goes_on_while_it_is_seen(page: Page, deployment: Deployment) -> None:
    """A call shows as it comes and not in a hidden window; charts are drawn, and the focus stays."""
    deployment.api.get("/core/demo/hello")
    link = page.get_by_role("row").filter(has=page.get_by_role("link", name="http", exact=True))
    expect(link).to_be_visible()
    expect(page.locator("figure canvas")).to_have_count(6)
    drawn = (
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )
    assert page.locator("figure canvas").first.evaluate(drawn) > 10
    link.get_by_role("link").first.focus()
    calls = link.get_by_role("cell").first
    before = settled(page, calls)
    deployment.api.get("/core/demo/hello")
    expect(calls).to_have_text(f"{before + 1:,}")
    expect(link.get_by_role("link").first).to_be_focused()
    see = "is => { Object.defineProperty(document, 'hidden', {value: !is, configurable: true});"
    see += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(see, False)
    deployment.api.get("/core/demo/hello")
    assert settled(page, calls) == before + 1
    page.evaluate(see, True)
    expect(calls).to_have_text(f"{before + 2:,}")


def settled(page: Page, number: Locator) -> int:
    """Return a live number that a look of the console has left as it was."""
    seen = ""
    while seen != (seen := number.inner_text()):
        page.wait_for_timeout(1500)
    return int(seen.replace(",", ""))


def test_a_function_gets_no_cookie_of_it(page: Page, deployment: Deployment) -> None:
    """Nor does whatever else answers at another port of 127.0.0.1."""
    assert page.context.cookies()
    answer = page.goto(f"{deployment.outputs.api_url}/core/demo/hello")
    assert answer
    assert (answer.status, "cookie" in answer.request.all_headers()) == (200, False)


def test_a_failed_request_leads_to_its_story(page: Page, deployment: Deployment) -> None:
    """It comes by itself; below it stands why, and what a function says of itself makes no element."""
    page.get_by_role("link", name="Requests", exact=True).click()
    page.get_by_label("Function").fill("tell")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("/requests[?]function=tell$"))
    evil = '<img src=x onerror="document.title = 1"> "quoted"'
    body = {"how": "fail", "texts": [evil]}
    assert deployment.api.post("/core/e2e/tell", body, {"x-api-key": API_KEY}).status == 500
    expect(page.locator(".log li", has_text=evil).first).to_be_visible()
    page.get_by_role("link", name="/core/e2e/tell").first.click()
    expect(page.locator(".story > li").nth(1)).to_contain_text("RuntimeError")
    expect(page.locator("pre", has_text="Traceback")).to_contain_text(evil)
    assert page.locator("main img").count() == 0
    assert Axe().run(page).violations_count == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="Calls of tell").click()
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    assert page.locator("[data-live]").count() == 0


@pytest.mark.nightly
def test_pictures_of_the_documentation(browser: Browser, deployment: Deployment) -> None:
    """`make pictures` writes them: the demo after an hour of calls."""
    write_an_hour(deployment)
    for name in ("Ada", "Grace"):
        deployment.api.get(f"/core/demo/hello?name={name}")
        deployment.api.post("/core/demo/hello", {"name": name}, {"prefer": "respond-async"})
    deployment.api.post("/core/e2e/tell", {"how": "fail", "texts": ["no stock left"]}, {"x-api-key": API_KEY})
    target = CommandLine(stack=LOCAL_STACK, endpoint_url=deployment.engine.url)
    with running_console(Session(target)) as address:
        for theme in ("light", "dark"):
            context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=theme)
            page = context.new_page()
            page.goto(address)
            for name in NAVIGATION.values():
                page.get_by_role("link", name=name, exact=True).click()
                page.wait_for_timeout(4000)
                page.screenshot(path=PICTURES / f"console-{name.lower()}-{theme}.png")
            page.goto(f"{base(address)}/requests?function=tell")
            page.get_by_role("link", name="/core/e2e/tell").first.click()
            page.wait_for_timeout(1000)
            page.screenshot(path=PICTURES / f"console-trace-{theme}.png")
            context.close()


def write_an_hour(deployment: Deployment) -> None:
    """Put the lines of an hour's calls into the log store."""
    chance, now = random.Random(1), int(time.time() * 1000)  # noqa: S311 - no secret
    called = {"service": "http", "method": "GET", "area": "core", "endpoint_id": "demo", "function": "hello"}
    ran = {"service": "worker", "area": "core", "endpoint_id": "demo", "function": "hello"}
    for name, line in (("HttpGateway", called), ("Worker", ran)):
        group = f"/aws/lambda/{LOCAL_STACK}-{name}"
        logs = deployment.engine.client("logs")
        logs.create_log_stream(logGroupName=group, logStreamName="hour")
        events = list[dict[str, Any]]()
        for minute in range(60, 0, -1):
            for _ in range(round(30 + 20 * chance.random() + 40 * (minute < 25))):
                status = chance.choices((200, 404, 500), (96, 3, 1 + 6 * (20 < minute < 25)))[0]
                took = chance.lognormvariate(2.2 if name == "Worker" else 2.8, 0.5)
                record = line | {"status": status, "total_ms": took, "cold_start": chance.random() < 0.01}
                at = now - minute * 60_000 + chance.randrange(60_000)
                events.append({"timestamp": at, "message": json.dumps(record)})
        events.sort(key=lambda each: each["timestamp"])
        logs.put_log_events(logGroupName=group, logStreamName="hour", logEvents=events)


# Functions


def test_a_function_is_called_from_its_form(page: Page, address: str, deployment: Deployment) -> None:
    """As the command does, which leaves the same line in the log; also as a job; the key stays out of it."""
    target = CommandLine(stack=LOCAL_STACK, endpoint_url=deployment.engine.url)
    describe_shipped(target.tables(), target.worker_arn, target.client("lambda"))
    deployment.rows.put("functions", aws_lambda_arn=target.worker_arn, function=HTML, area=HTML, config={})
    page.goto(f"{base(address)}/functions?endpoint=e2e&text=tot")
    page.get_by_role("link", name="total", exact=True).click()
    page.get_by_label("API key").fill(API_KEY)
    page.get_by_label("Method").select_option("POST")
    page.get_by_label("items").fill('[{"qty": 2}]')
    page.get_by_label("factor").fill("21")
    log = deployment.gateway_log()
    page.get_by_role("button", name="Call").click()
    response = page.get_by_role("status")
    expect(response).to_contain_text("200 in ")
    expect(response.locator("pre").first).to_have_text("42")
    expect(page.get_by_label("API key")).to_have_value("")
    assert API_KEY not in page.content()
    by_page = wait_for_record(log, is_total)
    command = shlex.split(response.locator("pre").last.inner_text())
    result = CliRunner().invoke(cli, [API_KEY if each == "KEY" else each for each in command[1:]])
    assert (result.exit_code, result.output) == (0, "42\n")
    by_command = wait_for_record(log, is_total)
    assert steady(by_page) == steady(by_command)
    assert found(page) == 0
    page.get_by_label("API key").fill(API_KEY)
    page.get_by_label("As a job").check()
    page.get_by_role("button", name="Call").click()
    expect(response).to_contain_text("202 in ")
    job_id = response.get_by_role("link", name="job").inner_text().removeprefix("job ")
    assert wait_for_status(deployment.api, job_id, {"succeeded"})["result"] == 42
    page.goto(f"{base(address)}/functions?text=img")
    expect(page.get_by_role("link", name=HTML)).to_be_visible()
    expect(page.locator("main img")).to_have_count(0)


@pytest.mark.nightly  # two publications
def test_a_package_is_steered(page: Page, address: str, deployment: Deployment, shop: Shop) -> None:
    """A canary grows, is promoted and rolled back, a tenant is pinned and unpinned: each asks first."""
    open_to(deployment.rows)
    old, new = shop.publish_next(), shop.write()
    first = shop.releases.pointer()["release"]
    shop.publish(rollout=Rollout({"tenants": ["shop-acme"], "manual": True}))
    page.goto(f"{base(address)}/functions/packages")
    page.get_by_role("link", name=PACKAGE, exact=True).click()
    page.get_by_label("Add tenants").fill("shop-farm")
    confirmed(page, page.get_by_role("button", name="Extend canary"), "tenants since now: shop-farm")
    assert found(page) == 0
    confirmed(page, page.get_by_role("link", name="Promote"), f"serves instead of {first}")
    served = shop.releases.pointer()["release"]
    confirmed(page, page.get_by_role("link", name=f"Roll back to {first}"), f"serves instead of {served}")
    page.get_by_label("Tenant").fill("shop-mill")
    page.locator("[action$=pin] [name=release]").fill(str(served))
    confirmed(page, page.get_by_role("button", name="Pin"), f"shop-mill has release {served} of {PACKAGE}")
    builds = [old, new]
    assert (
        eventually(
            lambda: [build_of(ask(deployment.api, tenant)) for tenant in ("shop-acme", "shop-mill")],
            builds.__eq__,
        )
        == builds
    )
    confirmed(page, page.get_by_role("link", name="Unpin shop-mill"), f"shop-mill has release {first}")
    assert shop.releases.pointer()["pins"] == {}


# Tenants and jobs


@pytest.mark.parametrize(
    ("path", "function"),
    [("/tenants/e2e/usage", "Usage"), ("/jobs/dead/replay", "Tasks"), (f"/jobs/{JOB_ID}/retry", "Worker")],
)
def test_an_action_leaves_the_line_of_its_command(
    page: Page, address: str, deployment: Deployment, path: str, function: str
) -> None:
    """In the log of the Lambda that does it, but for ids, times, and how much there was to count."""
    lines = []
    for is_by_page in (True, False):
        put_dead(deployment)
        page.goto(f"{base(address)}{path}")
        log = FunctionLog(deployment.engine, deployment.outputs.function_arns[function])
        if is_by_page:
            page.locator("form button").click()
            expect(page.get_by_role("status")).to_be_visible()
        else:
            command = shlex.split(page.locator("pre").inner_text())[1:]
            result = CliRunner().invoke(cli, command, input="y\n")
            assert result.exit_code == 0, result.output
        deployment.sweep()
        lines.append(wait_for_record(log, lambda record: "total_ms" in record))
    assert steady(lines[0]) == steady(lines[1])


def put_dead(deployment: Deployment) -> None:
    """Put a dead job of a real function into the ledger, and a dead event into its queue."""
    job = accepted_execution(
        int(time.time()),
        endpoint_id="e2e",
        function="tenant",
        aws_lambda_arn=deployment.outputs.worker_arn,
        due_shard=None,
        state="dead",
    )
    deployment.rows.put("executions", **job.to_row())
    resource = deployment.engine.client("cloudformation").describe_stack_resource(
        StackName=LOCAL_STACK, LogicalResourceId="EventDeadLetterQueue"
    )
    queue = resource["StackResourceDetail"]["PhysicalResourceId"]
    event = json.dumps({"source": "shop", "detail-type": "sold", "detail": {}})
    deployment.engine.client("sqs").send_message(QueueUrl=queue, MessageBody=event)


def test_a_job_is_retried_and_cancelled(page: Page, address: str, deployment: Deployment) -> None:
    """Found by its tenant, it leads to its trace and to what may be done with it."""
    job = accepted_execution(int(time.time()), endpoint_id="e2e", function=HTML, due_shard=None, state="dead")
    deployment.rows.put("executions", **job.to_row())
    page.goto(f"{base(address)}/jobs?endpoint=e2e")
    expect(page.locator("main img")).to_have_count(0)
    page.get_by_role("link", name=job.job_id[:12]).click()
    confirmed(page, page.get_by_role("link", name="Retry"), f"{job.job_id}: accepted")
    assert found(page) == 0
    expect(page.get_by_role("link", name="Trace")).to_be_visible()
    confirmed(page, page.get_by_role("link", name="Cancel"), f"{job.job_id}: cancelled")
    expect(page.get_by_role("link", name="Retry")).to_have_count(0)
    page.goto(f"{base(address)}/jobs/dead")
    expect(page.get_by_role("heading", name="Events")).to_be_visible()
    assert found(page) == 0


def test_more_rows_come_below_those_there(page: Page, address: str, deployment: Deployment) -> None:
    """The page stays where it is, until there are no more."""
    ids = {f"{number:032x}"[::-1] for number in range(202)}
    for job_id in ids:
        job = accepted_execution(int(time.time()), job_id=job_id, endpoint_id="many", due_shard=None)
        deployment.rows.put("executions", **job.to_row())
    page.goto(f"{base(address)}/jobs?endpoint=many")
    here, more, shown = page.url, page.locator("#more"), page.locator("tbody code")
    before = shown.count()
    while shown.count() < len(ids):
        old = page.locator(f"#more[href={json.dumps(more.get_attribute('href'))}]")
        old.press("Enter")
        expect(old).to_have_count(0)
    assert before < len(ids)
    assert {text.removesuffix("…") for text in shown.all_inner_texts()} == {job_id[:19] for job_id in ids}
    expect(page.locator("tbody time[title]")).to_have_count(len(ids))
    assert page.url == here


def test_a_key_is_shown_once_and_ends(page: Page, address: str, deployment: Deployment) -> None:
    """What its form makes opens a function, is rotated and revoked, and is in no page after its own."""
    page.goto(f"{base(address)}/tenants?text=e2e")
    page.get_by_role("link", name="e2e", exact=True).click()
    page.get_by_text("Create a key").click()
    page.get_by_label("Functions").fill("tenant")
    page.get_by_label("Label").fill(HTML)
    assert found(page) == 0
    page.get_by_role("button", name="Create").click()
    page.get_by_role("button", name="Create").click()
    key = page.get_by_role("status").inner_text().split()[0]
    call = ("/core/e2e/tenant", {"x-api-key": key})
    assert eventually(lambda: deployment.api.get(*call).status, (200).__eq__) == 200
    page.get_by_role("link", name="Continue").click()
    row = page.get_by_role("row").filter(has_text=key.partition(".")[0])
    expect(row).to_contain_text("active")
    expect(page.locator("main img")).to_have_count(0)
    assert key not in page.content()
    row.get_by_role("link", name="Rotate").click()
    page.locator("form button").click()
    expect(page.get_by_role("status")).to_contain_text("shown only once")
    page.get_by_role("link", name="Continue").click()
    confirmed(page, row.get_by_role("link", name="Revoke"), "is revoked")
    expect(row).to_contain_text("revoked")


def base(address: str) -> str:
    """Return the console's address without its token."""
    return address.partition("/?")[0]


def found(page: Page) -> int:
    """Return how many findings the rules of axe-core have of a page, in the theme that it has."""
    return int(Axe().run(page).violations_count)


def confirmed(page: Page, what: Locator, told: str) -> None:
    """Do what asks first, and is told of by the page after it."""
    what.click()
    expect(page.locator("pre")).to_contain_text("silvaengine ")
    page.locator("form button").click()
    expect(page.get_by_role("status")).to_contain_text(told)


def is_total(record: Record) -> bool:
    """Return whether a line is of the call of these tests."""
    return record.get("function") == "total"


def steady(record: Record) -> Record:
    """Return what a line says without ids and times, where its rows were, and how much there was to count."""
    return {name: each for name, each in record.items() if not UNSTEADY.search(name)}
