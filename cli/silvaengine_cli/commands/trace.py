"""``trace``: one request's story over all Lambdas, and traces for an OpenTelemetry collector."""

import re
from typing import override

import click

from silvaengine_cli.client_options import checked
from silvaengine_cli.deployment import Deployment, operator_options
from silvaengine_cli.logs.reading import open_reader
from silvaengine_cli.logs.times import since_option
from silvaengine_cli.output import console, print_json, print_result
from silvaengine_cli.traces import otlp, timeline
from silvaengine_cli.traces.finding import check_id, find_traces
from silvaengine_cli.traces.spans import read_spans

OTLP_HELP = "Send the spans to a collector: OTLP over HTTP, such as http://localhost:4318."


class _ShowsByDefault(click.Group):
    """``trace ID`` is ``trace show ID``."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)


def _check_url(url: str | None) -> str | None:
    if url is None or re.fullmatch(r"https?://[^\s/]+\S*", url):
        return url and otlp.traces_url(url)
    raise ValueError(f"{url!r} is not an http:// or https:// URL")


_headers_option = click.option(
    "--otlp-headers",
    "headers",
    envvar="OTEL_EXPORTER_OTLP_HEADERS",
    default="",
    metavar="NAME=VALUE,…",
    help="Headers for the collector; a key is better given by OTEL_EXPORTER_OTLP_HEADERS.",
)


@click.group(cls=_ShowsByDefault)
def trace() -> None:
    """Show one request's story over all Lambdas.

    `trace export` sends the traces of a time to an OpenTelemetry collector.
    `silvaengine trace ID` is `silvaengine trace show ID`.

    \b
    Examples:
      silvaengine trace 3f2a9c… --local
      silvaengine trace 3f2a9c… --since 7d --stage prod
      silvaengine trace 3f2a9c… --otlp http://localhost:4318 --stage prod
      silvaengine trace export --since 1h --otlp http://localhost:4318 --stage prod
    """


@trace.command()
@click.argument("id_", metavar="ID", callback=checked(check_id))
@since_option("1d")
@click.option("--otlp", "url", metavar="URL", callback=checked(_check_url), help=OTLP_HELP)
@_headers_option
@operator_options
def show(deployment: Deployment, id_: str, since: int, url: str | None, headers: str, as_json: bool) -> None:
    """Show what ran for a request, and why it failed.

    What, for whom, how long each step took, of which release, and below it what was logged. All times are
    milliseconds. ID is a request's, as clients see it in `x-request-id` and in errors, a trace's, or a job's.

    \b
    Examples:
      silvaengine trace 3f2a9c… --local
      silvaengine trace show 3f2a9c… --json --stage prod
      silvaengine trace 3f2a9c… --otlp http://localhost:4318 --stage prod
    """
    for trace_id, spans in find_traces(open_reader(deployment), deployment, id_, since).items():
        if as_json:
            print_json(timeline.as_json(trace_id, spans))
        else:
            timeline.print_timeline(trace_id, spans, console())
        if url:
            otlp.export(spans, url, otlp.read_headers(headers), deployment)
            click.echo(f"sent {len(spans)} spans to {url}", err=True)


@trace.command()
@since_option("1h")
@click.option("--otlp", "url", required=True, metavar="URL", callback=checked(_check_url), help=OTLP_HELP)
@_headers_option
@operator_options
def export(deployment: Deployment, since: int, url: str, headers: str, as_json: bool) -> None:
    """Send all spans to an OpenTelemetry collector.

    A collector knows a span by its id, so that it may be sent again.

    \b
    Examples:
      silvaengine trace export --otlp http://localhost:4318 --local
      silvaengine trace export --since 10:00 --otlp https://otlp.example.com --stage prod
    """
    spans = read_spans(open_reader(deployment).lines(since))
    sent = otlp.export(spans, url, otlp.read_headers(headers), deployment)
    print_result({"sent": sent}, f"sent {sent} spans to {url}", as_json=as_json)
