"""In the virtual PC: a client of the broker's socket that does what it is told, also what is forbidden.

    inside/broker.py SOCKET

A line of input is a JSON object with "do":
    connect                        another connection, beside the ones before; told: connected N
    request VERB slot …            sends proto/broker.h's request on "on" (default: the last connection)
    raw HEX                        sends these bytes
    close
Told are JSON objects: {"connected": N}, {"closed": N}, or a message of the broker with "on": N.
"""
import array
import json
import os
import select
import socket
import struct
import sys

REQUEST = struct.Struct("=IIHBBIQ24s64s64sII")
HEAD = struct.Struct("=IIHBBi256s")
FUNCTION = struct.Struct("=B3xIHH32s32s48s")
FACTS = struct.Struct("=IiiI")
STAGE = struct.Struct("=24s64s64sII")
HOLDER = struct.Struct("=iI32s64s")
SIZE = HEAD.size + FACTS.size + 8 * FUNCTION.size + STAGE.size + 8
VERBS = ("", "hello", "list", "record", "holders", "drain", "undrain", "detach", "sanitize", "lend", "take-back",
         "return", "unload", "start-guest", "kill-guest")
KINDS = ("", "done", "card", "holder", "progress", "guest")
FLAGS = ("present", "viable", "boot-vga", "drained", "clean", "lent", "open", "wedged", "had-host")


def text(raw):
    return raw.split(b"\0")[0].decode(errors="replace")


def slot_parse(name):
    domain, bus, device = (int(part, 16) for part in name.split(":"))
    return domain, bus, device


def facts_parse(data):
    flags, group, pid, count = FACTS.unpack_from(data)
    functions = []
    for i in range(min(count, 8)):
        number, kind, vendor, device, driver, override, reset = FUNCTION.unpack_from(
            data, FACTS.size + i * FUNCTION.size)
        functions.append({"number": number, "class": kind, "id": "%04x:%04x" % (vendor, device),
                          "driver": text(driver), "override": text(override), "reset": text(reset)})
    at = FACTS.size + 8 * FUNCTION.size
    stage = STAGE.unpack_from(data, at)
    return {"flags": [name for bit, name in enumerate(FLAGS) if flags >> bit & 1], "group": group, "pid": pid,
            "functions": functions, "stage": [text(stage[0]), text(stage[1]), text(stage[2]), stage[3]],
            "hot_reset": struct.unpack_from("=I", data, at + STAGE.size)[0]}


def message_parse(data):
    kind, serial, domain, bus, device, error, words = HEAD.unpack_from(data)
    told = {"kind": KINDS[kind] if kind < len(KINDS) else kind, "serial": serial, "error": error,
            "slot": "%04x:%02x:%02x" % (domain, bus, device), "text": text(words), "size": len(data)}
    if told["kind"] == "card":
        told["facts"] = facts_parse(data[HEAD.size:])
    if told["kind"] == "holder":
        pid, more, command, node = HOLDER.unpack_from(data, HEAD.size)
        told["holder"] = {"pid": pid, "more": more, "command": text(command), "node": text(node)}
    return told


class Client:
    def __init__(self, path):
        self.path = path
        self.sockets = {}
        self.count = 0

    @staticmethod
    def tell(what):
        print(json.dumps(what), flush=True)

    def do_connect(self, _):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.connect(self.path)
        except OSError as error:
            self.tell({"refused": error.errno})
            return
        self.count += 1
        self.sockets[self.count] = sock
        self.tell({"connected": self.count})

    def do_request(self, order):
        verb = order["verb"]
        stage = order.get("stage", ["", "", ""])
        data = REQUEST.pack(VERBS.index(verb) if isinstance(verb, str) else verb, order["serial"],
                            *slot_parse(order.get("slot", "0000:00:00")), order.get("protocol", 0),
                            order.get("memory", 0), stage[0].encode(), stage[1].encode(), stage[2].encode(),
                            order.get("finished", 0), 0)
        fds = [os.pidfd_open(order["pid"])] if "pid" in order else []
        self.send(order, data, fds)

    def do_raw(self, order):
        self.send(order, bytes.fromhex(order["hex"]), [])

    def do_close(self, order):
        self.sockets.pop(order.get("on", self.count)).close()

    def send(self, order, data, fds):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.sockets[order.get("on", self.count)].sendmsg([data], control)
        except OSError as error:
            self.tell({"unsent": error.errno})
        for fd in fds:
            os.close(fd)

    def read(self, number):
        try:
            data = self.sockets[number].recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.sockets.pop(number).close()
            self.tell({"closed": number})
            return
        self.tell(dict(message_parse(data), on=number))

    def run(self):
        while True:
            numbers = {sock: number for number, sock in self.sockets.items()}
            for ready in select.select([sys.stdin] + list(numbers), [], [])[0]:
                if ready is not sys.stdin:
                    self.read(numbers[ready])
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                order = json.loads(line)
                getattr(self, "do_" + order["do"])(order)


assert SIZE == 1448 and REQUEST.size == 184
Client(sys.argv[1]).run()
