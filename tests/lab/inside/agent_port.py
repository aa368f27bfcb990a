"""In the virtual PC: the seat's end of baton-agent's port (proto/agent.h).

agent_port.py pty        makes a terminal for an agent of this machine and prints "pty PATH"
agent_port.py SOCKET     connects to the socket of a guest's port

A line of input is sent: hello, subscribe, unsubscribe, release. What comes is printed: "hello PROTOCOL FEATURES
PROGRAM", "card SLOT STATE WxH REFRESH CAPTURED DRIVER NODE", "ring WHAT SERIAL", "holder SERIAL PID MORE COMMAND NODE",
"done SERIAL ERROR TEXT".
"""
import os
import select
import socket
import struct
import sys
import tty

MAGIC, PROTOCOL, SIZE = 0x31414742, 1, 128
HEAD = struct.Struct("<IIIHBB")
VERBS = {"hello": 1, "subscribe": 16, "unsubscribe": 17, "release": 18}
STATES = ["", "gone", "no-driver", "dark", "lit"]


def text(data):
    return data.split(b"\0")[0].decode(errors="replace") or "-"


def words(data):
    _, verb, serial, domain, bus, device = HEAD.unpack_from(data)
    slot = "%04x:%02x:%02x" % (domain, bus, device)
    body = data[HEAD.size:]
    if verb == 1:
        return "hello %u %u %s" % (struct.unpack_from("<II", body) + (text(body[8:72]),))
    if verb == 32:
        state, _, _, width, height, refresh, captured = struct.unpack_from("<IHHHHII", body)
        return "card %s %s %ux%u %u %u %s %s" % (slot, STATES[state], width, height, refresh, captured,
                                                 text(body[20:52]), text(body[52:84]))
    if verb == 33:
        return "ring %u %u" % struct.unpack_from("<II", body)
    if verb == 34:
        return "holder %u %d %u %s %s" % ((serial,) + struct.unpack_from("<iI", body)
                                          + (text(body[8:40]), text(body[40:104])))
    if verb == 35:
        return "done %u %d %s" % (serial, struct.unpack_from("<i", body)[0], text(body[4:108]))
    return "unknown %u" % verb


def message(command):
    body = struct.pack("<I", PROTOCOL) if command == "hello" else b""
    head = HEAD.pack(MAGIC, VERBS[command], 9, 0, 0, 0xff if command == "release" else 0)
    return (head + body).ljust(SIZE, b"\0")


def main():
    if sys.argv[1] == "pty":
        fd, other = os.openpty()
        tty.setraw(other)
        print("pty " + os.ttyname(other), flush=True)
    else:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(sys.argv[1])
        fd = sock.fileno()
    data, commands = b"", b""
    while True:
        ready = select.select([fd, 0], [], [])[0]
        if 0 in ready:
            piece = os.read(0, 4096)
            if not piece:
                return
            *lines, commands = (commands + piece).split(b"\n")
            for line in lines:
                os.write(fd, message(line.decode()))
        if fd in ready:
            data += os.read(fd, 65536)
            while len(data) >= SIZE:
                print(words(data[:SIZE]), flush=True)
                data = data[SIZE:]


main()
