"""Logging in and out with a browser: the password is verified, the attempts are counted, a session is made."""

from __future__ import annotations

from dalsegno._store import sessions, users
from dalsegno._store.connection import Connection
from dalsegno.exceptions import NotAllowed
from dalsegno.model.access import Session, User
from dalsegno.model.ids import new_id
from dalsegno.server.access import throttle
from dalsegno.server.access.accounts import Accounts, now
from dalsegno.server.access.secrets import digest, new_token
from dalsegno.settings.fields import ServerSettings


class WrongPassword(NotAllowed):
    """There is no such user, or this is not their password; which of the two is not told."""


def log_in(
    accounts: Accounts, settings: ServerSettings, name: str, password: str, address: str, old_token: str | None = None
) -> tuple[Session, str]:
    """Return a new session and its token; the one that the browser had ends.

    Raises WrongPassword, and TooManyAttempts when it has failed too often. It takes as long for users that do not
    exist.
    """
    name = name.strip().lower()

    def begin(connection: Connection) -> tuple[User | None, str | None]:
        throttle.begin(connection, name, address, now())
        user = users.find_user(connection, name)
        return user, None if user is None else users.read_password_hash(connection, user.id)

    user, kept = accounts.database.write(begin)
    right = accounts.passwords.verify(kept, password)
    if user is None or kept is None or not right:
        raise WrongPassword("The name or the password is not right.")
    renewed = accounts.passwords.rehash(password) if accounts.passwords.is_outdated(kept) else None
    token = new_token()

    def finish(connection: Connection) -> Session:
        # It may have been changed meanwhile, which ended all sessions: this one must not outlive that.
        if users.read_password_hash(connection, user.id) != kept:
            raise WrongPassword("The password was changed at this moment.")
        throttle.succeeded(connection, name, address)
        at = now()
        users.note_login(connection, user.id, at)
        if renewed is not None:
            users.set_password_hash(connection, user.id, renewed, at)
        if old_token is not None:
            old = sessions.find_session(connection, digest(old_token))
            if old is not None:
                sessions.end_session(connection, old.id)
        expires = at + round(settings.session_lifetime * 1_000_000)
        session = Session(id=new_id(), user=user, created=at, last_seen=at, expires=expires)
        sessions.add_session(connection, session, digest(token))
        return session

    return accounts.database.write(finish), token
