"""A few calls of the seat's D-Bus API over its private socket: keys, pointer, the screen's memory."""
import array
import os
import socket
import struct

PATH = "/org/baton/Seat1"
INTERFACE = "org.baton.Seat1"
ANSWER_SECONDS = 15

CALL, RETURN, ERROR = 1, 2, 3
FIELD_PATH, FIELD_INTERFACE, FIELD_MEMBER, FIELD_REPLY_SERIAL, FIELD_SIGNATURE = 1, 2, 3, 5, 8


class BusError(Exception):
    """The seat refused a call, or is gone."""


def _pad(data, alignment):
    return data + b"\0" * (-len(data) % alignment)


def _string(text):
    raw = text.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0"


def _field(code, signature, text):
    head = struct.pack("<BB", code, 1) + signature.encode() + b"\0"
    if signature == "g":
        return head + struct.pack("<B", len(text)) + text.encode() + b"\0"
    return head + _string(text)


def _body(signature, values):
    data = b""
    for kind, value in zip(signature, values):
        if kind == "b":
            data = _pad(data, 4) + struct.pack("<I", bool(value))
        elif kind == "d":
            data = _pad(data, 8) + struct.pack("<d", value)
        else:
            data = _pad(data, 4) + struct.pack("<" + {"u": "I", "i": "i"}[kind], value)
    return data


def _message(serial, member, signature, values):
    body = _body(signature, values)
    fields = b""
    for field in ((FIELD_PATH, "o", PATH), (FIELD_INTERFACE, "s", INTERFACE),
                  (FIELD_MEMBER, "s", member), (FIELD_SIGNATURE, "g", signature)):
        if field[2]:
            fields = _pad(fields, 8) + _field(*field)
    head = struct.pack("<cBBBIII", b"l", CALL, 0, 1, len(body), serial, len(fields))
    return _pad(head + fields, 8) + body


def _reply_serial(fields):
    """The header field that says which call a message answers."""
    offset = 0
    while offset < len(fields):
        offset += -offset % 8
        code, length = fields[offset], fields[offset + 1]
        signature = fields[offset + 2:offset + 2 + length].decode()
        offset += 3 + length
        if signature == "g":
            offset += fields[offset] + 2
        else:
            offset += -offset % 4
            number, = struct.unpack_from("<I", fields, offset)
            if code == FIELD_REPLY_SERIAL:
                return number
            offset += 4 + (number + 1 if signature in "so" else 0)
    return 0


class Seat:
    """One connection. Every call waits for its answer."""

    def __init__(self, path):
        self.serial = 0
        self.buffer = b""
        self.fds = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ANSWER_SECONDS)
        self.socket.connect(path)
        self._authenticate()

    def close(self):
        self.socket.close()

    def _line(self, text):
        self.socket.sendall(text.encode() + b"\r\n")

    def _expect(self, word):
        while b"\r\n" not in self.buffer:
            self._receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        if not line.startswith(word):
            raise BusError("the seat does not greet: " + line.decode(errors="replace"))

    def _authenticate(self):
        self.socket.sendall(b"\0")
        self._line("AUTH EXTERNAL " + str(os.getuid()).encode().hex())
        self._expect(b"OK")
        self._line("NEGOTIATE_UNIX_FD")
        self._expect(b"AGREE_UNIX_FD")
        self._line("BEGIN")

    def _receive(self):
        data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(content[:len(content) - len(content) % fds.itemsize])
                self.fds += list(fds)
        if not data:
            raise BusError("the seat is gone")
        self.buffer += data

    def _next(self):
        """The next whole message: (type, reply serial, body)."""
        while True:
            if len(self.buffer) >= 16:
                body, _, fields = struct.unpack_from("<III", self.buffer, 4)
                start = 16 + fields + -fields % 8
                if len(self.buffer) >= start + body:
                    raw, self.buffer = self.buffer[:start + body], self.buffer[start + body:]
                    return raw[1], _reply_serial(raw[16:16 + fields]), raw[start:]
            self._receive()

    def call(self, member, signature="", *values):
        self.serial += 1
        self.socket.sendall(_message(self.serial, member, signature, values))
        while True:
            kind, serial, body = self._next()
            if serial == self.serial and kind == RETURN:
                return
            if serial == self.serial and kind == ERROR:
                length = struct.unpack_from("<I", body)[0] if len(body) > 4 else 0
                raise BusError(body[4:4 + length].decode(errors="replace") or member)

    def key(self, code, pressed):
        self.call("InjectKey", "ub", code, pressed)

    def export(self):
        """A descriptor of the headless screen's memory; the caller closes it."""
        self.fds.clear()
        self.call("ExportOutput")
        if not self.fds:
            raise BusError("ExportOutput gave no memory")
        return self.fds.pop(0)
