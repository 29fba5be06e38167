"""Rows of fixed-width columns from MariaDB and MySQL, as arrays straight from the socket that PyMySQL opened.

The only module that uses PyMySQL's private attributes. It leaves connecting, TLS and authentication to PyMySQL,
prepares and executes one statement, and reads its rows in the binary protocol. There, all rows of fixed-width numbers
have the same length, so the reply is already an array. Numbers arrive exact, and no Python object is made for a row.

Tested with PyMySQL 1.1.0, 1.1.2 and 1.2.4. `find` checks whether a connection has all that is needed.
Source: mariadb.com/kb/en/clientserver-protocol: COM_STMT_PREPARE, COM_STMT_EXECUTE, Resultset row.
"""

from __future__ import annotations

import io
import socket
import ssl
import struct
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Rows: TypeAlias = npt.NDArray[Any]
"""A structured array with the fields c0, c1…, a view of a buffer that is used again: copy the rows that you keep."""

PREPARE, EXECUTE, CLOSE = 0x16, 0x17, 0x19
END, ERROR = 0xFE, 0xFF
NO_END_PACKETS = 1 << 24
"""The client flag that removes the packets that this module looks for."""

UNSIGNED = 32
WIDTHS = {1: "i1", 2: "<i2", 3: "<i4", 4: "<f4", 5: "<f8", 8: "<i8", 9: "<i4", 13: "<i2"}
"""Column types with a fixed width: TINY, SHORT, LONG, FLOAT, DOUBLE, LONGLONG, INT24, YEAR."""

BUFFER_BYTES = 2**20
"""The part of a reply that is held at one time: large against a packet, small against a CPU's cache."""

PAUSE_S = 0.001
"""Seconds to wait after a read that emptied the socket. A server sends 16 KiB at a time, and waking up for each of them
costs more than its rows: measured, 34 ns of client CPU a row instead of 63, in less time too."""

PROMPT_BYTES = 2**16
"""Replies up to this length are read without such waits."""

NEEDED = ("_execute_command", "_read_packet", "_force_close", "_next_seq_id", "_sock", "_rfile", "client_flag")


class BinaryRows:
    """Reads the rows of a statement from one PyMySQL connection. Made by `find`."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._buffer = bytearray(max(BUFFER_BYTES, io.DEFAULT_BUFFER_SIZE))  # holds all that the file has read already
        self._is_plain = not isinstance(driver._sock, ssl.SSLSocket)  # whose reads give all that is there

    def read(self, statement: str, take: Callable[[Rows], bool]) -> bool:
        """Execute a statement and pass its rows on, part by part.

        Whatever happens, the connection is left as it was, or closed.

        Args:
            statement: SQL without parameters that returns rows.
            take: Called with each part; it returns False if it wants no more of them.

        Returns:
            Whether all rows were taken. Also False if a column has no fixed width, or a row has a NULL.

        Raises:
            pymysql.err.Error: The server refused, or the connection broke.
        """
        driver = self._driver
        with self._prepared(statement) as (number, parameters, columns):
            if parameters or _row_dtype(columns) is None:
                return False
            driver._execute_command(EXECUTE, struct.pack("<IBI", number, 0, 1))
            dtype = _row_dtype(self._columns(driver._read_packet().read_length_encoded_integer()))
            return self._ended(b"", False) if dtype is None else self._rows(dtype, take)

    def unsigned(self, statement: str) -> list[bool]:
        """Whether each of a statement's columns is unsigned, learned by preparing it."""
        with self._prepared(statement) as (_, _, columns):
            return [bool(flags & UNSIGNED) for _, flags in columns]

    @contextmanager
    def _prepared(self, statement: str) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
        """The number of a statement, its number of parameters, and its columns."""
        driver = self._driver
        try:
            driver._execute_command(PREPARE, statement)
            number, columns, parameters = struct.unpack_from("<xIHH", driver._read_packet().get_all_data())
            try:
                if parameters:
                    self._columns(parameters)
                yield number, parameters, self._columns(columns) if columns else []
            finally:
                if driver._sock is not None:
                    driver._execute_command(CLOSE, struct.pack("<I", number))
        except Exception as error:
            if not _from_server(error):
                driver._force_close()
            raise
        except BaseException:
            driver._force_close()
            raise

    def _columns(self, count: int) -> list[tuple[int, int]]:
        """The type and flags of `count` columns."""
        columns = []
        for _ in range(count):
            packet = self._driver._read_packet()
            for _name in range(6):
                packet.read_length_coded_string()
            _, _, kind, flags, _ = packet.read_struct("<xHIBHBxx")
            columns.append((kind, flags))
        self._driver._read_packet()
        return columns

    def _rows(self, dtype: np.dtype[Any], take: Callable[[Rows], bool]) -> bool:
        """Read rows up to the packet that ends them. Every header and every map of NULLs is checked."""
        if len(self._buffer) < 2 * dtype.itemsize:
            self._buffer = bytearray(2 * dtype.itemsize)
        view, width, source = memoryview(self._buffer), dtype.itemsize, self._driver._rfile
        rows = np.frombuffer(self._buffer, dtype, len(view) // width)
        sequence = np.arange(rows.size + 256, dtype=np.uint32) % 256
        heads = (sequence << np.uint32(24)) | np.uint32(width - 4)
        first = self._driver._next_seq_id
        # What the file has read already comes first, then the socket itself: the file's `readinto1` reads more than
        # it is asked for into a buffer of its own, and then waits for the network before it hands that out.
        start = self._from_wire(source.read1, len(view))
        have, regular = self._received(len(start)), 0
        view[:have] = start
        read, waits = have, False
        while True:
            new = rows[regular : have // width]
            right = new["head"] == heads[first + regular : first + regular + new.size]
            for byte in range(new["nulls"].shape[1]):
                right &= new["nulls"][:, byte] == 0
            regular += new.size if right.all() else int(np.argmin(right))
            rest = view[regular * width : have]
            if len(rest) > 4 and not (rest[:3] == self._length(width) and rest[4] == 0 and len(rest) < width):
                return self._ended(bytes(rest), regular == 0 or take(rows[:regular]))
            if len(view) - have < width:
                if regular and not take(rows[:regular]):
                    return self._ended(bytes(rest), False)
                first, have, regular = (first + regular) % 256, len(rest), 0
                view[:have] = bytes(rest)
            if waits and read > PROMPT_BYTES:
                time.sleep(PAUSE_S)
            count = self._received(self._from_wire(source.raw.readinto, view[have:]))
            waits, have, read = self._is_plain and count < len(view) - have, have + count, read + count

    @staticmethod
    def _length(width: int) -> bytes:
        return (width - 4).to_bytes(3, "little")

    def _from_wire(self, read: Callable[[Any], Any], argument: Any) -> Any:
        """The result of a read of the socket; its errors become the errors of PyMySQL's own reads."""
        try:
            return read(argument)
        except OSError as error:
            raise self._lost(error) from error

    def _received(self, count: int | None) -> int:
        if not count:
            raise self._lost("the server closed it")
        return count

    @staticmethod
    def _lost(why: object) -> Exception:
        from pymysql import err

        error: Exception = err.OperationalError(2013, f"Lost connection to MySQL server during query ({why})")
        return error

    def _ended(self, rest: bytes, complete: bool) -> bool:
        """Read to the end of the rows. Returns whether only the end was left."""
        source = self._driver._rfile
        while True:
            rest += self._exactly(source, 4 - len(rest))
            size = int.from_bytes(rest[:3], "little")
            rest += self._exactly(source, 4 + size - len(rest))
            packet, rest = rest[4 : 4 + size], rest[4 + size :]
            if packet[:1] == bytes([ERROR]):
                from pymysql import err

                err.raise_mysql_exception(packet)
            if packet[:1] == bytes([END]):
                return complete
            complete = False

    def _exactly(self, source: Any, count: int) -> bytes:
        data = self._from_wire(source.read, count) if count > 0 else b""
        if len(data) < count:
            self._received(0)
        return bytes(data)


def _row_dtype(columns: list[tuple[int, int]]) -> np.dtype[Any] | None:
    """The dtype of rows of such columns in the stream; None if there are no columns, or one has no fixed width."""
    if not columns or any(kind not in WIDTHS for kind, _ in columns):
        return None
    kinds = [WIDTHS[kind].replace("i", "u") if flags & UNSIGNED else WIDTHS[kind] for kind, flags in columns]
    nulls = 1 + (len(columns) + 9) // 8
    return np.dtype([("head", "<u4"), ("nulls", "u1", (nulls,)), *((f"c{i}", kind) for i, kind in enumerate(kinds))])


def _from_server(error: Exception) -> bool:
    """Whether the server sent the error; the connection is then still usable."""
    from pymysql import err

    number = error.args[0] if isinstance(error, err.MySQLError) and error.args else 0
    return isinstance(number, int) and number >= 1000 and not 2000 <= number < 3000


def find(driver: Any) -> BinaryRows | None:
    """A reader on a driver's connection; None for other drivers, and, with a warning, for an unknown PyMySQL."""
    if not any(kind.__module__.partition(".")[0] == "pymysql" for kind in type(driver).__mro__):
        return None
    missing = [name for name in NEEDED if not hasattr(driver, name)]
    if missing or driver.client_flag & NO_END_PACKETS or not hasattr(driver._rfile, "raw"):
        import pymysql

        warnings.warn(
            f"expected a PyMySQL such as 1.2.4, whose connections have {', '.join(NEEDED)}; "
            f"got {pymysql.VERSION_STRING}. Plain rows are read instead: slower, the same batches. "
            "Install PyMySQL 1.2.4.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    if isinstance(driver._sock, socket.socket) and driver._sock.family in (socket.AF_INET, socket.AF_INET6):
        # Closing a statement has no answer: without this the next statement would wait 40 ms for an acknowledgement.
        driver._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return BinaryRows(driver)
