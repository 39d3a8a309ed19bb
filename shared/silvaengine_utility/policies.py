"""``Authorizer``: policies, as API Gateway's authorizers return them."""

from collections.abc import Mapping
from typing import Any


class Authorizer:
    """Makes policies for one stage of an API.

    Args:
        principal_id: the caller.
        account: AWS account of 12 digits.
        api_id: the API.
        region: its region.
        stage: its stage.
    """

    def __init__(self, principal_id: str, account: str, api_id: str, region: str, stage: str) -> None:
        self.principal_id = principal_id
        self.resource = f"arn:aws:execute-api:{region}:{account}:{api_id}/{stage}/*/*"

    def authorize(self, is_allow: bool = True, context: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the policy that allows or denies every method of the stage.

        Its form is that of
        docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html.

        Args:
            is_allow: whether to allow or to deny.
            context: flat claims for the integration behind the authorizer.
        """
        statement = {
            "Action": "execute-api:Invoke",
            "Effect": "Allow" if is_allow else "Deny",
            "Resource": [self.resource],
        }
        return {
            "principalId": self.principal_id,
            "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "context": dict(context or {}),
        }
