# mypy: ignore-errors
# ruff: noqa
"""A GraphQL engine with tables of its own."""

import os

from graphene import Field, Int, Mutation, ObjectType, Schema, String
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model
from silvaengine_utility import JSON, Utility, method_cache

from .base import GRAPHENE, GraphqlEngine


def deploy():
    return [
        {"service": "Pets", "class": "PetEngine", "functions": {"pet_graphql": {"settings": "plain_engine"}}}
    ]


class PetModel(Model):
    class Meta:
        table_name = "pets"
        region = os.environ.get("REGIONNAME", "us-east-1")
        billing_mode = "PAY_PER_REQUEST"

    endpoint_id = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(range_key=True)
    legs = NumberAttribute(default=4)


@method_cache(ttl=60, cache_name="pet_engine.models.Pet")
def get_pet(endpoint_id, name):
    return PetModel.get(endpoint_id, name)


class Pet(ObjectType):
    name = String()
    data = JSON()


class Query(ObjectType):
    version = String()
    pet = Field(Pet, name=String(required=True), owner=String())

    def resolve_version(self, info):
        return str(GRAPHENE)

    def resolve_pet(self, info, name, owner=None):
        pet = get_pet(owner or info.context["endpoint_id"], name)
        return Pet(name=pet.name, data=Utility.json_normalize(pet))


class InsertPet(Mutation):
    class Arguments:
        name = String(required=True)
        legs = Int()

    pet = Field(Pet)

    def mutate(self, info, name, legs=4):
        PetModel(info.context["endpoint_id"], name, legs=legs).save()
        return InsertPet(pet=Pet(name=name))


class Mutations(ObjectType):
    insert_pet = InsertPet.Field()


class PetEngine(GraphqlEngine):
    schema = Schema(query=Query, mutation=Mutations)

    def __init__(self, logger, **setting):
        GraphqlEngine.__init__(self, logger, **setting)
        if not PetModel.exists():
            PetModel.create_table(wait=True)

    def member_graphql(self, **params):
        response = Utility.json_loads(self.pet_graphql(**params))
        request = params["context"]
        response["caller"] = [request["authorizer"]["user_id"], request["additionalContext"]["roles"]]
        return Utility.json_dumps(response)

    def pet_graphql(self, **params):
        result = self.run(**params)
        response = {"data": result.data}
        if result.errors:
            response["errors"] = [Utility.format_error(error) for error in result.errors]
        return Utility.json_dumps(response)
