"""How arrays and data frames are written canonically: by columns, so that how they lie in memory does not
matter.
"""

from __future__ import annotations

from typing import Any

from dalsegno._engine.canonical import CanonicalWriter, Handler, kind_name


def _write_array(writer: CanonicalWriter, value: Any) -> None:
    writer.room_for(value.nbytes)
    dtype = value.dtype
    layout = dtype.str if dtype.names is None else repr(dtype.descr)
    writer.append_text(b"a", f"{kind_name(value)}:{layout}:{value.shape}")
    if dtype.hasobject:
        writer.write(value.tolist())
    else:
        writer.append(b"b", value.tobytes())


def _write_pandas_frame(writer: CanonicalWriter, value: Any) -> None:
    writer.room_for(value.size)
    writer.append_text(b"F", f"{kind_name(value)}:{value.shape}")
    _write_pandas_index(writer, value.columns)
    _write_pandas_index(writer, value.index)
    for position in range(value.shape[1]):
        _write_pandas_values(writer, value.iloc[:, position])


def _write_pandas_series(writer: CanonicalWriter, value: Any) -> None:
    writer.room_for(value.size)
    writer.append_text(b"S", kind_name(value))
    writer.write(value.name)
    _write_pandas_index(writer, value.index)
    _write_pandas_values(writer, value)


def _write_pandas_index(writer: CanonicalWriter, value: Any) -> None:
    kind = type(value).__name__
    writer.append_text(b"I", kind)
    writer.write(list(value.names))
    if kind == "RangeIndex":
        writer.write([value.start, value.stop, value.step])
        return
    writer.room_for(value.size)
    for level in range(value.nlevels):
        _write_pandas_values(writer, value.get_level_values(level))


def _write_pandas_values(writer: CanonicalWriter, value: Any) -> None:
    """Write a column or an index level: numbers by their bytes, the rest item by item."""
    dtype = value.dtype
    writer.append_text(b"x", str(dtype))
    if hasattr(dtype, "categories"):
        writer.write(dtype.ordered)
        _write_pandas_values(writer, dtype.categories)
        codes = value.codes if hasattr(value, "codes") else value.cat.codes.to_numpy()
        writer.write(codes)
    elif hasattr(dtype, "tz"):
        writer.write(value.to_numpy(dtype=f"datetime64[{dtype.unit}]"))
    elif isinstance(getattr(dtype, "str", None), str) and dtype.kind != "O":
        writer.write(value.to_numpy())
    else:
        writer.room_for(value.size)
        writer.write(value.tolist())


def _write_polars_frame(writer: CanonicalWriter, value: Any) -> None:
    writer.room_for(value.height * value.width)
    writer.append_text(b"F", f"{kind_name(value)}:{value.shape}")
    for column in value.get_columns():
        _write_polars_series(writer, column)


def _write_polars_series(writer: CanonicalWriter, value: Any) -> None:
    writer.room_for(len(value))
    writer.append_text(b"x", f"{kind_name(value)}:{value.dtype!r}")
    writer.write(value.name)
    writer.write(value.to_list())


FRAMES: dict[tuple[str, str], Handler] = {
    ("numpy", "ndarray"): _write_array,
    ("numpy", "generic"): _write_array,
    ("pandas", "DataFrame"): _write_pandas_frame,
    ("pandas", "Series"): _write_pandas_series,
    ("pandas", "Index"): _write_pandas_index,
    ("polars", "DataFrame"): _write_polars_frame,
    ("polars", "Series"): _write_polars_series,
}
"""By the distribution's package and the name of the class; subclasses are found by their bases."""
