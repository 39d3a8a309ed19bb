# mypy: ignore-errors
# ruff: noqa
import graphene


class GraphqlEngine:
    schema = None

    def __init__(self, logger, **setting):
        self.logger = logger
        self.setting = setting

    def run(self, **params):
        context = {"logger": self.logger, "setting": self.setting, "endpoint_id": params.get("endpoint_id")}
        return self.schema.execute(
            params.get("query"),
            context_value=context,
            variable_values=params.get("variables", {}),
            operation_name=params.get("operation_name"),
        )


GRAPHENE = graphene.VERSION[0]
