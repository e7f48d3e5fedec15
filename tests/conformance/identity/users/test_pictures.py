"""Pictures as data URLs, on every engine."""

from services.identity.passwords.sign_up import NewUser
from services.identity.users.pictures import DATA_LENGTH
from tests.conformance.identity.conftest import PASSWORD, Identity
from tests.conformance.identity.mailing import HERE

DATA = "data:image/png;base64,"


async def test_a_data_url_is_kept_and_read_with_every_session(identity: Identity) -> None:
    """B26: MySQL's TEXT would end at 65,535 bytes."""
    avatar = DATA + "A" * (DATA_LENGTH - len(DATA))
    done = await identity.sign_ups.sign_up(NewUser("Ann", "ann@x.io", PASSWORD, avatar), HERE)
    assert done.opened is not None
    assert (await identity.sessions.verify(done.opened.token)).user.image == avatar
    other = avatar[:-1] + "B"
    assert (await identity.users.update(done.user.id, {"image": other})).image == other
    found = await identity.users.find(done.user.id)
    assert found is not None
    assert found.image == other
