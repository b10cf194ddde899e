"""Users, sessions, API keys, login attempts and the audit log, on both kinds of database."""

from __future__ import annotations

import threading

from dalsegno._backend.embedded import StoreBackend
from dalsegno._store import api_keys, audit, login_attempts, sessions, users
from dalsegno._store.connection import Connection
from dalsegno.model.access import ApiKey, AuditEntry, Session, User
from dalsegno.model.ids import new_id
from dalsegno.model.roles import Role


def user(name: str, role: Role = Role.ADMIN) -> User:
    return User(id=new_id(), name=name, role=role, created=1, updated=1)


def key(owner: User | None, role: Role = Role.ADMIN) -> ApiKey:
    return ApiKey(
        id=new_id(),
        name="ci",
        hint="dsn_abc",
        role=role,
        user_id=None if owner is None else owner.id,
        user_name=None if owner is None else owner.name,
        created=1,
        expires=None,
    )


def test_users_are_kept_by_name(backend: StoreBackend) -> None:
    def work(connection: Connection) -> None:
        ada = user("ada")
        assert not users.has_users(connection)
        assert users.add_user(connection, ada, "hash")
        assert not users.add_user(connection, user("ada"), "other")
        assert users.add_user(connection, user("bob", Role.VIEWER), "hash")
        assert users.find_user(connection, "ada") == ada == users.read_user(connection, ada.id)
        assert users.find_user(connection, "nobody") is None
        assert [each.name for each in users.list_users(connection, None, 10)] == ["ada", "bob"]
        assert [each.name for each in users.list_users(connection, "ada", 10)] == ["bob"]
        assert users.has_admin(connection)
        assert not users.has_admin(connection, other_than=ada.id)
        users.lock_users(connection)
        users.set_role(connection, ada.id, Role.EDITOR, 5)
        users.set_password_hash(connection, ada.id, "new", 6)
        users.note_login(connection, ada.id, 7)
        changed = users.read_user(connection, ada.id)
        assert changed is not None
        assert (changed.role, changed.updated, changed.last_login) == (Role.EDITOR, 6, 7)
        assert users.read_password_hash(connection, ada.id) == "new"

    backend.database.write(work)


def test_sessions_are_found_by_the_hash_of_their_token(backend: StoreBackend) -> None:
    def work(connection: Connection) -> None:
        ada = user("ada")
        users.add_user(connection, ada, "hash")
        made = [
            Session(id=new_id(), user=ada, created=10, last_seen=10, expires=100),
            Session(id=new_id(), user=ada, created=10, last_seen=10, expires=100),
        ]
        for index, session in enumerate(made):
            sessions.add_session(connection, session, bytes([index]) * 32)
        assert sessions.find_session(connection, bytes(32)) == made[0]
        assert sessions.find_session(connection, b"x" * 32) is None
        sessions.touch_session(connection, made[0].id, 50)
        sessions.touch_session(connection, made[0].id, 20)
        touched = sessions.find_session(connection, bytes(32))
        assert touched is not None
        assert touched.last_seen == 50
        assert sessions.delete_old_sessions(connection, 60, 20) == 1
        assert sessions.find_session(connection, b"\x01" * 32) is None
        assert sessions.end_sessions_of(connection, ada.id, but=made[0].id) == 0
        assert sessions.end_sessions_of(connection, ada.id) == 1

    backend.database.write(work)


def test_a_key_does_no_more_than_its_user_and_goes_with_them(backend: StoreBackend) -> None:
    def work(connection: Connection) -> None:
        bob = user("bob", Role.OPERATOR)
        users.add_user(connection, bob, "hash")
        own, nobodys = key(bob), key(None)
        api_keys.add_api_key(connection, own, b"a" * 32)
        api_keys.add_api_key(connection, nobodys, b"b" * 32)
        found = api_keys.find_api_key(connection, b"a" * 32)
        assert found is not None
        assert (found.role, found.user_name) == (Role.OPERATOR, "bob")
        assert api_keys.find_api_key(connection, b"b" * 32) == nobodys
        assert [each.id for each in api_keys.list_api_keys(connection, None, None, 10)] == [nobodys.id, own.id]
        assert [each.id for each in api_keys.list_api_keys(connection, bob.id, None, 10)] == [own.id]
        assert [each.id for each in api_keys.list_api_keys(connection, None, nobodys.id, 10)] == [own.id]
        api_keys.touch_api_key(connection, own.id, 9)
        touched = api_keys.read_api_key(connection, own.id)
        assert touched is not None
        assert touched.last_used == 9
        users.delete_user(connection, bob.id)
        assert api_keys.read_api_key(connection, own.id) is None
        assert api_keys.delete_api_key(connection, nobodys.id)
        assert not api_keys.delete_api_key(connection, nobodys.id)

    backend.database.write(work)


def test_failures_are_counted_within_a_time(backend: StoreBackend) -> None:
    def work(connection: Connection) -> None:
        for now in (100, 101):
            login_attempts.count_failure(connection, "user ada", now, 0)
        assert login_attempts.read_failures(connection, "user ada", 0) == (2, 101)
        assert login_attempts.read_failures(connection, "user ada", 102) == (0, 0)
        login_attempts.take_back(connection, "user ada")
        assert login_attempts.read_failures(connection, "user ada", 0) == (1, 101)
        login_attempts.count_failure(connection, "user ada", 200, 150)
        assert login_attempts.read_failures(connection, "user ada", 0) == (1, 200)
        assert login_attempts.delete_old_attempts(connection, 201) == 1
        login_attempts.count_failure(connection, "user ada", 300, 0)
        login_attempts.forget(connection, "user ada")
        assert login_attempts.read_failures(connection, "user ada", 0) == (0, 0)

    backend.database.write(work)


def test_entries_of_the_audit_log_are_completed_paged_and_deleted(backend: StoreBackend) -> None:
    def work(connection: Connection) -> None:
        made = [
            AuditEntry(id=new_id(), actor=actor, via="key", method="POST", route="/api/users", target=target)
            for actor, target in (("ada", "x"), ("bob", None), ("ada", None))
        ]
        for entry in made:
            audit.add_entry(connection, entry)
        audit.complete_entry(connection, made[0].id, 201, None, "role admin")
        audit.complete_entry(connection, made[1].id, 404, "y", None)
        found = audit.list_entries(connection, actor=None, target=None, after=None, limit=2)
        assert [each.id for each in found] == [made[2].id, made[1].id]
        assert (found[0].status, found[1].status, found[1].target) == (None, 404, "y")
        (last,) = audit.list_entries(connection, actor="ada", target="x", after=made[1].id, limit=2)
        assert (last.status, last.target, last.summary) == (201, "x", "role admin")
        assert audit.delete_old_entries(connection, 2_000_000_000_000_000, 2) == 2
        assert audit.delete_old_entries(connection, 1, 2) == 0
        assert audit.delete_old_entries(connection, -1, 2) == 0

    backend.database.write(work)


def test_two_at_once_do_not_leave_a_database_without_an_admin(backend: StoreBackend) -> None:
    first, second = user("first"), user("second")
    for each in (first, second):
        backend.database.write(lambda connection, each=each: users.add_user(connection, each, "hash"))
    both = threading.Barrier(2)

    def demote(own: User) -> None:
        both.wait()

        def work(connection: Connection) -> None:
            users.lock_users(connection)
            if users.has_admin(connection, other_than=own.id):
                users.set_role(connection, own.id, Role.VIEWER, 2)

        backend.database.write(work)

    threads = [threading.Thread(target=demote, args=(each,)) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert backend.database.read(users.has_admin)
