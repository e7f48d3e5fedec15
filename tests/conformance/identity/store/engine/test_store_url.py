"""What a DATABASE_URL means."""

import ssl

import pytest

from services.identity.store.engine import store_url


@pytest.mark.parametrize(
    ("text", "service", "operator"),
    [
        ("mysql://u:p@h/d", "mysql+asyncmy://u:***@h/d", "mysql+pymysql://u:***@h/d"),
        ("mariadb://u:p@h:3307/d", "mysql+asyncmy://u:***@h:3307/d", "mysql+pymysql://u:***@h:3307/d"),
        ("postgres://h/d", "postgresql+asyncpg://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg2://h/d", "postgresql+asyncpg://h/d", "postgresql+psycopg://h/d"),
        ("sqlite:////var/x.db", "sqlite+aiosqlite:////var/x.db", "sqlite+pysqlite:////var/x.db"),
    ],
)
def test_the_drivers_are_ours_to_choose(text: str, service: str, operator: str) -> None:
    store = store_url.parse(text)
    assert (str(store.for_service()[0]), str(store.for_operator()[0])) == (service, operator)


@pytest.mark.parametrize("text", ["", "nonsense", "redis://h/0", "mysql://u:hidden@h", "mysql:///d", "sqlite://"])
def test_what_is_no_database_is_refused_without_being_repeated(text: str) -> None:
    """K1: an address may hold a password."""
    with pytest.raises(ValueError, match=r"expected mysql|lacks the host") as caught:
        store_url.parse(text)
    assert "hidden" not in str(caught.value)


def test_an_address_does_not_show_itself() -> None:
    assert "hidden" not in repr(store_url.parse("mysql://u:hidden@h/d?ssl_key=hidden"))


@pytest.mark.parametrize(
    ("query", "verify", "names"),
    [
        ("sslmode=require", ssl.CERT_NONE, False),
        ("sslmode=verify-ca", ssl.CERT_REQUIRED, False),
        ("sslmode=verify-full", ssl.CERT_REQUIRED, True),
        ("ssl-mode=VERIFY_IDENTITY", ssl.CERT_REQUIRED, True),
        ("ssl=true", ssl.CERT_NONE, False),
        ("sslmode=no-verify", ssl.CERT_NONE, False),
        ("sslaccept=accept_invalid_certs", ssl.CERT_NONE, False),
        ("sslmode=require&sslaccept=strict", ssl.CERT_REQUIRED, True),
        ("sslaccept=strict&sslmode=prefer", ssl.CERT_REQUIRED, True),
        ('ssl={"rejectUnauthorized":true}', ssl.CERT_REQUIRED, True),
        ('ssl={"rejectUnauthorized":false}', ssl.CERT_NONE, False),
        ("tls=true", ssl.CERT_REQUIRED, True),
        ("tls=skip-verify", ssl.CERT_NONE, False),
        ("sslrootcert=system", ssl.CERT_REQUIRED, True),
        ("useSSL=true", ssl.CERT_NONE, False),
    ],
)
def test_tls_is_as_strict_as_asked(query: str, verify: ssl.VerifyMode, names: bool) -> None:
    for scheme in ("mysql", "postgresql"):
        store = store_url.parse(f"{scheme}://h/d?{query}&charset=x")
        url, arguments = store.for_service()
        assert (arguments["ssl"].verify_mode, arguments["ssl"].check_hostname) == (verify, names)
        assert dict(url.query) == {}, "a driver is given arguments alone, all of which it knows"


def test_libpq_reads_its_own_parameters() -> None:
    url, arguments = store_url.parse("postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem").for_operator()
    assert dict(url.query) == {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}
    assert arguments == {"prepare_threshold": None}  # no named statements: they are not there behind a pooler


@pytest.mark.parametrize(
    ("query", "sslmode"),
    [
        ("ssl=true", "require"),
        ("ssl-mode=VERIFY_CA", "verify-ca"),
        ("sslmode=no-verify", "require"),
        ("ssl=0", "disable"),
    ],
)
def test_libpq_is_told_by_its_own_words(query: str, sslmode: str) -> None:
    url, _ = store_url.parse(f"postgresql://h/d?{query}").for_operator()
    assert dict(url.query) == {"sslmode": sslmode}


def test_what_is_not_said_is_verified_against_the_systems_authorities() -> None:
    url, _ = store_url.parse("postgresql://h/d?sslaccept=strict").for_operator()
    assert url.query["sslmode"] == "verify-full"
    assert url.query["sslrootcert"] in ("system", ssl.get_default_verify_paths().cafile)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("mysql://db.internal/d", True),
        ("postgresql://10.0.0.7/d?sslmode=prefer", True),
        ("postgresql://db.internal/d?sslmode=require", False),
        ("mysql://127.0.0.1/d", False),
        ("mysql://localhost/d", False),
        ("postgresql://[::1]/d", False),
        ("sqlite:///x.db", False),
        ("mysql://db.internal/d?socket=/run/mysqld.sock", False),
        ("postgresql:///d?host=/run/postgresql", False),
        ("postgresql:///d?host=db.internal", True),
    ],
)
def test_it_is_known_when_others_could_read_along(text: str, is_plain: bool) -> None:
    assert store_url.parse(text).is_unencrypted_remote is is_plain
