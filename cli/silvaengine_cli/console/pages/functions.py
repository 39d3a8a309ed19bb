"""Functions: those of the deployment or of a tenant's key, and one of them, which can be called."""

import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request

from silvaengine.registry.packages import call_of
from silvaengine.tables import DEFAULT_API_KEY, FUNCTIONS
from silvaengine_cli.calling import ClientCall, send_call
from silvaengine_cli.client_options import key_headers, parse_json_or_text
from silvaengine_cli.console import forms
from silvaengine_cli.console.paging import ROWS, part_of
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Context, check_change
from silvaengine_cli.failures import failure_text, known_errors
from silvaengine_cli.http import HttpResponse
from silvaengine_cli.output import HIDDEN
from silvaengine_cli.registry import catalogue
from silvaengine_cli.registry.model import EXECUTION, METHODS
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.registry.values import check_api_key

SHOWN = 65_536  # characters of a response's body
JOB = {"prefer": "respond-async"}
type Given = tuple[Sequence[forms.Field], Sequence[forms.Field]]  # headers and parameters
FILTERS = ("text", "area", "package", "endpoint", "key")


def show(session: Session, request: Request) -> Context:
    """Return a part of the functions, of all or of those that a key of an endpoint opens."""
    asked = {name: request.query_params.get(name, "").strip() for name in FILTERS}
    equal = {name: asked[name] for name in ("area", "package") if asked[name]}
    after, keys = request.query_params.get("after"), dict[str, str]()
    if endpoint := asked["endpoint"]:
        row = catalogue.read_endpoint(session.deployment, endpoint)
        keys = catalogue.keys_of(catalogue.read_key_rows(session.deployment, row))
        if asked["key"] not in keys:
            asked["key"] = "public" if "public" in keys else min(keys, default="")
        opened = catalogue.functions_of_key(session.deployment, endpoint, keys[asked["key"]]) if keys else []
        wanted = [row for row in opened if asked["text"] in row["function"] and equal.items() <= row.items()]
        rows, after = part_of(wanted, lambda row: str(row["function"]), after)
    else:
        last = tuple(filter(None, after.split(" ", 1))) if after else None
        if last is not None and len(last) != len(FUNCTIONS.key_names):
            raise HTTPException(400, "The address is damaged: follow the links of the page before.")
        rows, following = catalogue.find_functions(session.deployment, ROWS, asked["text"], equal, last)
        after = " ".join(following) if following else None
    shown = {"rows": rows, "after": after, "asked": asked, "keys": catalogue.masked(keys)}
    return {**shown, "address": _address, "methods_of": _methods}


def show_one(session: Session, request: Request) -> Context:
    """Return what there is to say of a function; of a POST also how the call ended that its form asks for."""
    arn, name = request.path_params["arn"], request.path_params["name"]
    form = {field: text.replace("\r\n", "\n") for field, text in request.state.form.items()}
    row = catalogue.read_function(session.deployment, arn, name)
    said, config = row["description"], row.get("config") or {}
    is_typed = isinstance(said.get("parameters"), dict)
    as_json = not is_typed or "json" in request.query_params
    names = [] if is_typed else said.get("parameters", ())
    typed = forms.fields_of(said["parameters"], form) if is_typed else []
    fields = [forms.whole_field(names, form)] if as_json else typed
    headers = forms.fields_of(said.get("headers") or {}, form, forms.HEADER)
    methods = _methods(config)
    secret = {field.label for field in [*headers, *typed] if field.kind == "password"}
    call = partial(_call, session, request, row, (headers, fields), secret, form)
    return {
        "row": row,
        "is_internal": bool(config.get("internal")),
        "said": said,
        "facts": {"methods": " ".join(methods), **_facts(row, config)},
        "methods": methods,
        "reads": methods == ["GET"],
        "is_typed": is_typed,
        "as_json": as_json,
        "type_text": forms.type_text,
        "fields": [*headers, *fields],
        "form": form,
        "shown": SHOWN,
        "endpoint": form.get("endpoint", request.query_params.get("endpoint", "")),
        "call": session.once(form, call) if form else None,
    }


def _methods(config: Mapping[str, Any]) -> list[str]:
    return list(config.get("methods") or METHODS)


def _address(row: Row) -> str:
    return f"/functions/{quote(row['aws_lambda_arn'], safe=':')}/{quote(row['function'], safe='')}"


def _facts(row: Row, config: Mapping[str, Any]) -> dict[str, object]:
    """Return what a function's row says beside its signature, by what it is called in registry.yaml."""
    facts = {
        "area": row.get("area"),
        "type": config.get("funct_type"),
        "code": call_of(row["function"], config) if config.get("module_name") else None,
        "lambda": row["aws_lambda_arn"].rpartition(":function:")[2],
        "settings": config.get("setting"),
        "auth_required": bool(config.get("auth_required")),
        "memory": f"{row['memory']} MB" if "memory" in row else None,
        "timeout": f"{row['timeout']} s" if "timeout" in row else None,
        **{name: config.get(name) for name in EXECUTION},
    }
    words = {True: "yes", False: "no"}
    shown = {name: value for name, value in facts.items() if value not in (None, "")}
    return {name: words[value] if isinstance(value, bool) else value for name, value in shown.items()}


def _call(
    session: Session, request: Request, row: Row, given: Given, secret: set[str], form: Mapping[str, str]
) -> Context:
    """Call a function as a form says; return how that ended, and the command that does the same."""
    is_job, methods = "job" in form, _methods(row.get("config") or {})
    if is_job or methods != ["GET"]:
        check_change(session, request)
    method = form["method"] if form.get("method") in methods else methods[0]
    key = form.get("key") or DEFAULT_API_KEY
    try:
        check_api_key(key)
        headers, params = map(forms.read_params, given)
        headers |= JOB if is_job else {}
    except ValueError as error:
        return {"failure": str(error).replace(repr(key), "The API key")}
    said = {name: each if isinstance(each, str) else json.dumps(each) for name, each in headers.items()}
    call = ClientCall(form.get("endpoint", ""), row["function"], key, key_headers(key) | said, params)
    begun = time.perf_counter()
    try:
        response = send_call(session.deployment, call, method, row.get("area") or "core")
    except known_errors() as error:
        return {"failure": failure_text(error)}
    answer = parse_json_or_text(response.body.decode(errors="replace"))
    milliseconds = (time.perf_counter() - begun) * 1000
    options = ["--method", method, *forms.param_options(params, secret)]
    for name, value in said.items():
        options += ["--header", f"{name}: {HIDDEN if name in secret else value}"]
    options += ["--api-key", "KEY"] if key != DEFAULT_API_KEY else []
    return {
        "failure": "",
        "status": response.status,
        "milliseconds": milliseconds,
        "request_id": response.headers.get("x-request-id"),
        "kind": response.headers.get("content-type", ""),
        "body": _body_text(response, key),
        "size": len(response.body),
        "job_id": answer.get("job_id") if is_job and isinstance(answer, dict) else None,
        "command": session.command("invoke", call.endpoint, call.function, *options),
    }


def _body_text(response: HttpResponse, key: str) -> str | None:
    """Return a body as text, JSON indented, without the caller's key; None for one that is no text."""
    try:
        text = response.body.decode()
    except UnicodeDecodeError:
        return None
    value = parse_json_or_text(text)
    if not isinstance(value, str):
        text = json.dumps(value, indent=2, ensure_ascii=False)
    if key != DEFAULT_API_KEY:
        for each in (json.dumps(key)[1:-1], key):
            text = text.replace(each, HIDDEN)
    return text[:SHOWN]
