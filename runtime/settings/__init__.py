"""Settings that processes share, their types, and the function that reads them."""

from runtime.settings.fields import (
    Address,
    Keys,
    PairKeysField,
    SealKeys,
    SealKeysField,
    Secrets,
    Words,
    from_env,
    split_words,
)
from runtime.settings.reading import OWN_ENVIRONMENT, read, refused, use_settings_file
from runtime.settings.shared import Environment, ServiceSettings, Settings, SiteSettings, local_url

__all__ = [
    "OWN_ENVIRONMENT",
    "Address",
    "Environment",
    "Keys",
    "PairKeysField",
    "SealKeys",
    "SealKeysField",
    "Secrets",
    "ServiceSettings",
    "Settings",
    "SiteSettings",
    "Words",
    "from_env",
    "local_url",
    "read",
    "refused",
    "split_words",
    "use_settings_file",
]
