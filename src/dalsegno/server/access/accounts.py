"""What can be done to users: made, promoted, given a password, deleted. An admin always remains.

The API and the command line both come here.
"""

from __future__ import annotations

import re
import time

from dalsegno._store import sessions, users
from dalsegno._store.connection import Connection, Database
from dalsegno.exceptions import BackendError, NotAllowed, ObjectAlreadyExists, ObjectNotFound, OnlyAdmin
from dalsegno.model.access import User
from dalsegno.model.ids import id_text, new_id
from dalsegno.model.roles import Role
from dalsegno.server.access.passwords import Passwords

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,99}")


def now() -> int:
    """Return the time in microseconds since 1970 (UTC)."""
    return time.time_ns() // 1000


class Accounts:
    """The users of one database. Its methods wait for the database, and some hash a password."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self.database = database
        self.passwords = passwords

    def create(self, name: str, password: str, role: Role) -> User:
        """Make a user. Raises ObjectAlreadyExists, and BackendError for a name or password that cannot be."""
        user = _new_user(name, role)
        kept = self.passwords.hash(password)
        if not self.database.write(lambda connection: users.add_user(connection, user, kept), durable=True):
            raise ObjectAlreadyExists(f"There is a user {user.name!r} already.")
        return user

    def create_first_admin(self, name: str, password: str) -> User | None:
        """Make an admin unless there is one. Raises ObjectAlreadyExists where the name is another user's."""
        user = _new_user(name, Role.ADMIN)
        if self.has_admin():
            return None
        kept = self.passwords.hash(password)

        def add(connection: Connection) -> User | None:
            users.lock_users(connection)
            if users.has_admin(connection):
                return None
            if not users.add_user(connection, user, kept):
                raise ObjectAlreadyExists(f"There is a user {user.name!r} already, who is no admin.")
            return user

        return self.database.write(add, durable=True)

    def has_admin(self) -> bool:
        """Tell whether there is an admin."""
        return self.database.read(users.has_admin)

    def has_users(self) -> bool:
        """Tell whether there is any user."""
        return self.database.read(users.has_users)

    def page(self, after: str | None, limit: int) -> list[User]:
        """Return users by name."""
        return self.database.read(lambda connection: users.list_users(connection, after, limit))

    def find(self, name: str) -> User:
        """Return the user of a name. Raises ObjectNotFound."""
        found = self.database.read(lambda connection: users.find_user(connection, name.lower()))
        if found is None:
            raise ObjectNotFound(f"There is no user {name!r}.")
        return found

    def read(self, id: bytes) -> User:
        """Return a user. Raises ObjectNotFound."""
        return self.database.read(lambda connection: _existing(connection, id))

    def change(self, id: bytes, *, role: Role | None = None, password: str | None = None) -> User:
        """Change role or password or both; a new password ends all sessions of the user."""
        kept = None if password is None else self.passwords.hash(password)

        def write(connection: Connection) -> User:
            users.lock_users(connection)
            user = _existing(connection, id)
            if role is not None and role is not user.role:
                _see_that_an_admin_remains(connection, user, role)
                users.set_role(connection, id, role, now())
            if kept is not None:
                users.set_password_hash(connection, id, kept, now())
                sessions.end_sessions_of(connection, id)
            return _existing(connection, id)

        return self.database.write(write, durable=True)

    def change_own_password(self, id: bytes, current: str, new: str, session_id: bytes) -> None:
        """Change a user's password at their own wish; all sessions end but theirs. Raises NotAllowed."""
        known = self.database.read(lambda connection: users.read_password_hash(connection, id))
        if not self.passwords.verify(known, current):
            raise NotAllowed("The current password is not right.")
        kept = self.passwords.hash(new)

        def write(connection: Connection) -> None:
            if users.read_password_hash(connection, id) != known:
                raise NotAllowed("The password was changed by somebody else at this moment.")
            users.set_password_hash(connection, id, kept, now())
            sessions.end_sessions_of(connection, id, but=session_id)

        self.database.write(write, durable=True)

    def delete(self, id: bytes) -> User:
        """Delete a user with their sessions and API keys."""

        def write(connection: Connection) -> User:
            users.lock_users(connection)
            user = _existing(connection, id)
            _see_that_an_admin_remains(connection, user, None)
            users.delete_user(connection, id)
            return user

        return self.database.write(write, durable=True)


def _new_user(name: str, role: Role) -> User:
    lower = name.strip().lower()
    if not _NAME.fullmatch(lower):
        raise BackendError(
            f"{name!r} cannot be the name of a user: letters, digits and . _ @ + - are, and it begins with a letter or "
            "a digit."
        )
    at = now()
    return User(id=new_id(), name=lower, role=role, created=at, updated=at)


def _existing(connection: Connection, id: bytes) -> User:
    user = users.read_user(connection, id)
    if user is None:
        raise ObjectNotFound(f"There is no user {id_text(id)}.")
    return user


def _see_that_an_admin_remains(connection: Connection, user: User, role: Role | None) -> None:
    if user.role is Role.ADMIN and role is not Role.ADMIN and not users.has_admin(connection, other_than=user.id):
        raise OnlyAdmin(f"{user.name!r} is the only admin: make another one first.")
