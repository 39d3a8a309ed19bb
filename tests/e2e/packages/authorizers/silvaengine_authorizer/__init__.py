# mypy: ignore-errors
# ruff: noqa
"""Knows callers by tokens in the settings, addresses by the whitelist, and who may change pets."""

from silvaengine_base import ConnectionModel, LambdaBase
from silvaengine_utility import Authorizer as ApiGatewayAuthorizer
from silvaengine_utility import Graphql, Utility


class Authorizer:
    def __init__(self, logger=None):
        self.logger = logger

    def authorize(self, event, context):
        arn, request = event["methodArn"].split(":"), event["requestContext"]
        api_id, stage = arn[5].split("/")[:2]
        headers = {name.lower(): value for name, value in event["headers"].items()}
        token = headers.get("authorization", "")
        if token == "broken":
            raise TypeError("'NoneType' object is not subscriptable")
        setting = LambdaBase.get_setting("_".join(["beta", request["area"], request["channel"]]))
        user = setting["users"].get(token)
        policy = ApiGatewayAuthorizer(user or "nobody", arn[4], api_id, arn[3], stage)
        if user is None or not self.is_whitelisted(request):
            return policy.authorize(is_allow=False, context={"error_message": "Token is unknown"})
        response = policy.authorize(is_allow=True, context={"user_id": user, "is_admin": user == "ada"})
        if event["methodArn"].endswith("/$connect"):  # which the policy of an HTTP API's stage isn't for
            response["policyDocument"]["Statement"][0]["Resource"] = [event["methodArn"]]
        return response

    def is_whitelisted(self, request):
        address = (request.get("identity") or {}).get("sourceIp") or request["http"]["sourceIp"]
        whitelist = ConnectionModel.get("1", "#####").whitelist
        return any(Utility.in_subnet(address, each.strip()) for each in whitelist)

    def verify_permission(self, event, context):
        request = event["requestContext"]
        is_admin = str(request["authorizer"]["is_admin"]).lower() == "true"
        query = Utility.json_loads(event["body"])["query"] if event.get("body") else None
        query = query or (event.get("queryStringParameters") or {}).get("query", "{}")
        for operation in Graphql.extract_flatten_ast(query):
            if operation["operation"] == "mutation" and not is_admin:
                raise Exception(f"Not allowed: {operation['fields']['/']}", 403)
        request["additionalContext"] = {"roles": [{"name": "admin" if is_admin else "member"}]}
        return event
