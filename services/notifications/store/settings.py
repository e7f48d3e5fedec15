"""The setting of MongoDB's address."""

from pydantic import SecretStr, field_validator
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from runtime.settings import Settings, from_env

DEFAULT_DATABASE = "trivet"
SCHEMES = ("mongodb://", "mongodb+srv://")


class MongoSettings(Settings):
    """The address of MongoDB, which operators' commands read too."""

    mongodb_uri: SecretStr = from_env(
        "MONGODB_URI",
        "MONGODB_URL",
        description="MongoDB: mongodb://USER:PASSWORD@HOST:PORT/DATABASE or mongodb+srv://..., with TLS by ?tls=true.",
    )

    @field_validator("mongodb_uri")
    @classmethod
    def _is_a_uri(cls, value: SecretStr) -> SecretStr:
        uri = value.get_secret_value()
        if not uri.startswith(SCHEMES):
            raise ValueError("must begin with mongodb:// or mongodb+srv://")
        if uri.startswith(SCHEMES[0]):  # mongodb+srv:// needs DNS, which can be down at the start
            try:
                parse_uri(uri)
            except (PyMongoError, ValueError):  # their texts quote the URI with the password
                raise ValueError("is not a MongoDB URI: mongodb://USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS") from None
        return value
