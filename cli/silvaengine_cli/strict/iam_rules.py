"""Roles and their policies, which reach other services some seconds after IAM has taken them."""

import json
import re
from fnmatch import fnmatchcase
from typing import override
from urllib.parse import unquote

from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.engine import Engine
from silvaengine_cli.strict.http import Response
from silvaengine_cli.strict.refusals import refuse
from silvaengine_cli.strict.rule import Next, Rule
from silvaengine_cli.strict.script import Passing, Script

LATER = "IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency"
# The actions whose names aren't those of the calls.
ACTIONS = {"Lambda.Invoke": "lambda:invokefunction", "PostToConnection": "execute-api:manageconnections"}


class NewRoles(Rule):
    """A role that is new, or newly trusts Lambda, can't be a function's for some seconds: it is a 400."""

    source = LATER
    calls = ("IAM.*Role*", "Lambda.CreateFunction", "Lambda.UpdateFunctionConfiguration")

    def __init__(self, engine: Engine, script: Script) -> None:
        super().__init__(engine, script)
        self._new = Passing[bool](script.calls, script.seconds, script.clock)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        if call.is_lambda and self._new.look(str(call.json.get("Role")).rpartition("/")[2]):
            message = "The role defined for the function cannot be assumed by Lambda."
            return refuse(call, 400, "InvalidParameterValueException", message)
        response = proceed(call)
        if call.name in ("IAM.CreateRole", "IAM.UpdateAssumeRolePolicy") and response.is_success:
            self._new.begin(call.form["RoleName"], fact=True)
        return response


class NewPolicies(Rule):
    """What PutRolePolicy or a new stack allows is denied for some seconds more: it is an AccessDenied."""

    source = LATER
    calls = ("*.*", "PostToConnection")

    def __init__(self, engine: Engine, script: Script) -> None:
        super().__init__(engine, script)
        self._denied = Passing[set[str]](script.calls, script.seconds, script.clock)
        self._made: dict[str, str] = {}  # the new stacks of change sets

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        if self._denied and self._denies(call):
            message = f"User is not authorized to perform: {_action(call)}"
            return refuse(call, 403 if call.is_lambda else 400, "AccessDeniedException", message)
        if call.name.startswith("CLOUDFORMATION."):
            return self._stack(call, proceed)
        if call.name != "IAM.PutRolePolicy":
            return proceed(call)
        role, name = call.form["RoleName"], call.form["PolicyName"]
        found = re.search("<PolicyDocument>(.*)</PolicyDocument>", self.engine.policy(role, name), re.DOTALL)
        response = proceed(call)
        if response.is_success:
            known = _allowed(unquote(found[1])) if found else set()
            self._denied.begin(role, _allowed(call.form["PolicyDocument"]) - known)
        return response

    def _denies(self, call: Call) -> bool:
        if not call.access_key.startswith("ASIA"):  # only a role's session is denied
            return False
        identity = self.engine.identity(call.access_key, call.request.header("x-amz-security-token"))
        role, action = re.search(":assumed-role/([^/]+)/", identity), _action(call)

        def is_new(allowed: set[str]) -> bool:
            return any(fnmatchcase(action, pattern) for pattern in allowed)

        if role is None:
            return False
        stacks = [stack for stack in self._made.values() if role[1].startswith(f"{stack}-")]
        return any(self._denied.look(name, is_new) for name in (role[1], *stacks))

    def _stack(self, call: Call, proceed: Next) -> Response:
        """Let a new stack's roles, whose names begin with the stack's, be new once it is made."""
        response = proceed(call)
        if call.operation == "CreateChangeSet" and call.form.get("ChangeSetType") == "CREATE":
            if change := re.search("<Id>(.*)</Id>", response.body.decode()):
                self._made[change[1]] = call.form["StackName"]
        elif call.operation == "ExecuteChangeSet" and (stack := self._made.get(call.form["ChangeSetName"])):
            self._denied.begin(stack, {"*"})
        return response


def _action(call: Call) -> str:
    return ACTIONS.get(call.name) or call.name.lower().replace(".", ":", 1)


def _allowed(document: str) -> set[str]:
    """Return the actions that a policy allows, in lower case."""
    statements = json.loads(document)["Statement"]
    listed = statements if isinstance(statements, list) else [statements]
    actions = [each.get("Action", []) for each in listed if each["Effect"] == "Allow"]
    return {one.lower() for each in actions for one in ([each] if isinstance(each, str) else each)}
