# mypy: ignore-errors
# ruff: noqa: ANN001, ANN003, ANN201, D103
"""Runs in a virtual environment of a function's own requirements: what the library gives there, as JSON."""

import json
import sys

import graphene

from silvaengine_utility import JSON, Graphql, Utility

QUERY = """
query Find($x: JSON) { Pet(tag: {a: [1, 2.5, true, "t"], E: RED}) { Name ...More } echo(value: $x) }
fragment More on Pet { ... on Pet { Owner { name } } }
"""


class Owner(graphene.ObjectType):
    name = graphene.String()
    pet = graphene.Field(lambda: Pet)


class Pet(graphene.ObjectType):
    name = graphene.String()
    tag = JSON()
    owner = graphene.Field(Owner)
    by_id = graphene.String(id=graphene.Int(required=True))


class Query(graphene.ObjectType):
    pet = graphene.Field(Pet, tag=JSON(), ids=graphene.List(graphene.NonNull(graphene.Int)))
    echo = JSON(value=JSON())
    fail = graphene.String()

    def resolve_pet(self, info, tag=None, ids=None):
        return Pet(name="Rex", tag=tag, owner=Owner(name="Ada"))

    def resolve_echo(self, info, value=None):
        return value

    def resolve_fail(self, info):
        raise ValueError("no pets")


schema = graphene.Schema(query=Query, types=[Pet])


def run(query, **variables):
    if graphene.VERSION[0] == 2:
        return schema.execute(query, variables=variables)
    return schema.execute(query, variable_values=variables)


from silvaengine_utility.graphql_text import INTROSPECTION  # noqa: E402

introspected = run(INTROSPECTION)
operation = Utility.generate_graphql_operation("pet", "Query", introspected.data["__schema"])
failure = run("{ fail }").errors[0]
literal = run('{ pet(tag: {a: [1, 2.5, true, "t"], e: RED}) { tag } }').data["pet"]["tag"]
json.dump(
    {
        "version": graphene.VERSION[0],
        "literal": literal,
        "variable": run("query F($x: JSON) { echo(value: $x) }", x={"n": [1, None]}).data["echo"],
        "nested_variable": run("query F($x: JSON) { echo(value: {y: $x}) }", x=3).data["echo"],
        "operation": operation,
        "answer": json.loads(json.dumps(run(operation).data)),
        "failure": Utility.format_error(failure),
        "flat": Graphql.extract_flatten_ast(QUERY),
    },
    sys.stdout,
)
