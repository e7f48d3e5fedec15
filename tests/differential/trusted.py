"""Patterns of trusted origins, and the URLs that each admits and refuses.

It is the original's verdict, which `tests/client` asks for, unless the URL stands in DIFFERENT.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Verdicts(NamedTuple):
    """The URLs that a pattern admits, and those that it does not."""

    admitted: tuple[str, ...]
    refused: tuple[str, ...]


VERDICTS: Mapping[str, Verdicts] = {
    "myapp://callback/auth": Verdicts(
        (
            "myapp://callback/auth",
            "myapp://callback/auth/done?x=1#y",
            "myapp://callback/auth/./done",
            "myapp://callback/x/../auth",
            "myapp://CALLBACK/auth",
            "MYAPP://callback/auth",
            "myapp://callback/%61uth",
        ),
        (
            "myapp://callback/auth/../evil",
            "myapp://callback/auth/%2e%2e/evil",
            "myapp://callback/auth/%2E./evil",
            "myapp://callback/auth/..%2fevil",
            "myapp://callback/auth%2fx",
            "myapp://callback/auth/x/../../evil",
            "myapp://callback/authevil",
            "myapp://callback/AUTH",
            "myapp://callback",
            "myapp://callback?/auth",
            "myapp://callback.evil/auth",
            "myapp://evil/callback/auth",
            "myapp:/callback/auth",
            "myappevil://callback/auth",
        ),
    ),
    "myapp:": Verdicts(
        ("myapp://", "myapp://callback", "myapp://a.b/c?d", "myapp:callback", "myapp:/callback", "MyApp://x"),
        ("myappevil://x", "https://myapp", "my:app", "myapp", "myapp://user@callback"),
    ),
    "myapp://": Verdicts(("myapp://callback", "myapp:/callback"), ("myapps://callback",)),
    "MyApp://CallBack": Verdicts(("myapp://callback/x", "MYAPP://CALLBACK"), ("myapp://callbacks",)),
    "com.example.app:/oauth": Verdicts(
        ("com.example.app:/oauth", "com.example.app:/oauth/google?code=1", "com.example.app:///oauth"),
        ("com.example.app:/oauth2", "com.example.app:/oauth/../x", "com.example.app://oauth"),
    ),
    "myapp://*": Verdicts(("myapp://a", "myapp://a.b:1/c/d", "myapp://", "myapp:x"), ("myapps://a", "myapp://u@a")),
    "exp://**": Verdicts(("exp://192.168.1.5:8081/--/cb", "exp://u.expo.dev/x?y=z"), ("exps://x", "exp://u@x")),
    "exp://192.168.*.*:*/**": Verdicts(
        ("exp://192.168.1.5:8081", "exp://192.168.1.5:8081/--/auth?x=1"),
        (
            "exp://192.168.1.5",
            "exp://192.168.evil.io:8081",
            "exp://192.168.1.999:8081",
            "exp://192.168.1.5:8081x",
            "exp://192.168.1.5:99999",
            "exp://192.169.1.5:8081",
            "exp://10.0.0.1:8081",
            "exp://u@192.168.1.5:8081",
        ),
    ),
    "exp://10.*:*": Verdicts(("exp://10.1.2.3:8081",), ("exp://10.evil.io:8081", "exp://11.1.2.3:8081")),
    "exp://*/--/*": Verdicts(
        ("exp://host/--/cb", "exp://host/--/cb/"), ("exp://host/--/cb/x", "exp://host/--/../cb", "exp://host/cb")
    ),
    "exp://*/--/**": Verdicts(
        ("exp://host/--/cb", "exp://host/--/cb/x", "exp://host/--"), ("exp://host/cb", "exp://host/--evil")
    ),
    "exp://a*c*e/x?z": Verdicts(("exp://abcde/xyz", "exp://ACE/x1z"), ("exp://abcdef/xyz", "exp://ace/xz")),
    "chrome-extension://*": Verdicts(
        ("chrome-extension://abcdef", "chrome-extension://abcdef/page.html"), ("moz-extension://abcdef",)
    ),
    "capacitor://localhost": Verdicts(
        ("capacitor://localhost", "capacitor://localhost/x"), ("capacitor://localhost.evil.io", "ionic://localhost")
    ),
    "https://a.io": Verdicts(
        ("https://a.io", "https://a.io/x?y#z", "https://A.IO:443/x"),
        ("http://a.io", "https://a.io:8443", "https://a.io.evil.io", "https://x.a.io", "https:a.io", "https:///a.io"),
    ),
    "https://a.io/cb": Verdicts(
        ("https://a.io/cb", "https://a.io/cb/x?y"),
        (
            "https://a.io",
            "https://a.io/",
            "https://a.io/cbevil",
            "https://a.io/cb/../evil",
            "https://a.io/cb/%2e%2e/evil",
            "https://a.io/cb/..%2fevil",
            "https://a.io/x?/cb",
        ),
    ),
    "https://*.good.io": Verdicts(
        ("https://x.good.io", "https://a-1.good.io/cb"),
        ("https://good.io", "https://evilgood.io", "http://x.good.io", "https://x.good.io:8443", "https://x.y.good.io"),
    ),
    "https://a-*-*.?.io": Verdicts(
        ("https://a-b-c.d.io", "https://a----.d.io"), ("https://a-b.d.io", "https://a--.d.io", "https://a-b-c.dd.io")
    ),
    "https://**.good.io": Verdicts(("https://x.good.io", "https://x.y.good.io"), ("https://evilgood.io",)),
    "*.good.io": Verdicts(("https://x.good.io", "http://x.good.io"), ("https://evilgood.io", "ftp://x.good.io.evil")),
    "*://a.io": Verdicts(("https://a.io", "http://a.io/x"), ("ftp://a.io", "https://b.io")),
    "http://localhost:*": Verdicts(
        ("http://localhost:3000", "http://localhost:4000/x"),
        ("http://localhost", "https://localhost:3000", "http://localhost.evil.io:3000"),
    ),
    "http://192.168.*.*:3000": Verdicts(
        ("http://192.168.1.7:3000",),
        ("http://192.168.1.7", "http://192.168.evil.io:3000", "http://192.168.1.evil:3000"),
    ),
}

DIFFERENT: Mapping[tuple[str, str], str] = {
    ("myapp:", "myapp://user@callback"): "userinfo is never trusted",
    ("myapp://callback/auth", "myapp://callback/auth%2fx"): "programs differ on an encoded slash",
    ("exp://*/--/**", "exp://host/--evil"): "the original leaves out the slash; a longer name is another one",
    ("https://a.io", "https:a.io"): "browsers repair it; a link that must be repaired is no link",
    ("https://a.io", "https:///a.io"): "browsers repair it",
    ("https://a.io/cb", "https://a.io/cb"): "with a path the original matches nothing",
    ("https://a.io/cb", "https://a.io/cb/x?y"): "with a path the original matches nothing",
    ("https://*.good.io", "https://x.y.good.io"): "wildcard-labels of docs/better-auth.md",
    ("https://a-*-*.?.io", "https://a--.d.io"): "the same: a wildcard stands for at least one character",
}
"""Where the original's verdict is another one, and why."""

POINTLESS: Mapping[str, str] = {
    "*": "every page",
    "**": "every page",
    "https://*": "every page",
    "https://**:*": "every page",
    "*://*": "every page",
    "app.example.com": "write `https://app.example.com`",
    "localhost:3000": "write `https://localhost:3000` or `http://localhost:3000`",
    "https://": "needs a host",
    "https:": "no host",
    "https://a.io:99999": "at most 65535",
    "https://user@a.io": "no userinfo",
    "https://*.good.io:99999x": "no host looks like this",
    "https://*..good.io": "no host looks like this",
    "http://[*]:3000": "no host looks like this",
    "https://münchen.example": "`xn--mnchen-3ya.example`",
    "http://127.1": "four numbers",
    "http://10.*": "four numbers up to 255",
    "http://300.*.*.*": "four numbers up to 255",
    "exp://300.*:*": "four numbers up to 255",
    "ws*://a.io": "neither http nor https",
    "my app://x": "a blank",
    "https://a.io\\x": "a backslash",
    "https://a.io/#x": "a fragment",
    "https://a.io/x%2fy": "an encoded slash",
    "my_app://x": "a malformed scheme",
    "myapp://u@x": "userinfo is never trusted",
    "myapp://x:99999": "no URL has such a host or port",
    "javascript:": "URLs belong to no app",
    "data://*": "URLs belong to no app",
}
"""What is refused at start, and the words that say why."""
