# mypy: ignore-errors
# ruff: noqa
"""A Lex V1 function: its dict is the response."""


class LexEngine:
    def __init__(self, logger, **setting):
        self.logger = logger

    def shop_lex_dispatch(self, **params):
        return {
            "dialogAction": {
                "type": "Close",
                "fulfillmentState": "Fulfilled",
                "message": {"contentType": "PlainText", "content": params["currentIntent"]["name"]},
            }
        }
