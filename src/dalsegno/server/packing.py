"""What JSON can say and the store cannot keep: numbers beyond 64 bits."""

from __future__ import annotations

import msgspec

from dalsegno.server.problems import InvalidValue


def check_packable(data: msgspec.Struct) -> None:
    """Raise InvalidValue, which names the field, for what cannot be kept as msgpack."""
    for name in data.__struct_fields__:
        value = getattr(data, name)
        if value is msgspec.UNSET:
            continue
        try:
            msgspec.msgpack.encode(value)
        except (OverflowError, msgspec.EncodeError, RecursionError) as error:
            raise InvalidValue(name, f"It cannot be kept: {error}.") from None
