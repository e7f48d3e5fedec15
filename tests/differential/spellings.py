"""Spellings of one session cookie, each of which the original reads; `tests/client` asks it."""

from collections.abc import Mapping
from urllib.parse import quote

NAME = "better-auth.session_token"
EVERY_CHARACTER = "every character encoded"


def spelled(signed: str, name: str = NAME) -> Mapping[str, str]:
    """Return Cookie headers that hold a signed value, by what is unusual in each."""
    usual = quote(signed, safe="")
    return {
        "as browsers send it": f"{name}={usual}",
        "not encoded": f"{name}={signed}",
        "lower-case hex": f"{name}={usual.replace('%2B', '%2b').replace('%2F', '%2f').replace('%3D', '%3d')}",
        EVERY_CHARACTER: f"{name}=" + "".join(f"%{ord(char):02X}" for char in signed),
        "quoted": f'{name}="{usual}"',
        "quoted and not encoded": f'{name}="{signed}"',
        "two spaces before it": f"a=1;  {name}={usual}",
        "spaces around it": f"a=1;  {name}  =  {usual}  ; b=2",
        "tabs around it": f"a=1;\t{name}\t=\t{usual}\t;b=2",
        "a no-break space around it": f"{name}=\xa0{usual}\xa0",
        "spaces and quotes": f'a=1; {name} = "{usual}" ; b=2',
        "no space between": f"a=1;{name}={usual};b=2",
        "beside a name alone": f"a; {name}={usual}; b",
        "beside empty ones": f"; ;=; {name}={usual};;",
        "beside a longer name": f"x{name}=no; {name}={usual}",
        "beside a spoiled one": f"a=%zz; {name}={usual}",
    }
