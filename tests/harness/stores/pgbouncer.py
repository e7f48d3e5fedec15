"""PgBouncer in transaction mode, before a PostgreSQL server of its own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import make_url

from tests.harness.ports import free_port
from tests.harness.stores.engines import Engine, find, other_user, postgresql, running, server_folder

SERVERS = 3
CONFIGURATION = """\
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listens}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {servers}
server_round_robin = 1
max_client_conn = 500
"""


@contextmanager
def pgbouncer() -> Iterator[Engine]:
    """PgBouncer with few servers, and with no startup parameter ignored: as Debian configures it."""
    program, user = find("pgbouncer"), other_user("postgres")
    with postgresql() as behind, server_folder("pgbouncer", user) as folder:
        url, listens = make_url(behind.url), free_port()
        said = {"host": url.host, "port": url.port, "listens": listens, "folder": folder, "servers": SERVERS}
        files = {"configuration": CONFIGURATION.format(**said), "users": f'"{url.username}" "{url.password}"\n'}
        for name, content in files.items():
            (folder / name).write_text(content)
            if user is not None:
                shutil.chown(folder / name, user)
        command = [program, str(folder / "configuration")]
        with running(Engine("pgbouncer", ""), command, listens, folder, user=user) as engine:
            engine.url = url.set(host="127.0.0.1", port=listens).render_as_string(hide_password=False)
            yield engine
