"""In the virtual PC: keeps a device node open until it is told a line or killed.

    hold.py open PATH      as any program
    hold.py hidden PATH    by a descriptor on its way through a socket: no process is seen to have it
"""
import array
import os
import socket
import sys


def hide(fd):
    """The descriptor of a message that nobody has received is in no table of any process."""
    pair = socket.socketpair()
    pair[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    os.close(fd)
    return pair


way, path = sys.argv[1:]
held = os.open(path, os.O_RDWR)
if way == "hidden":
    held = hide(held)
print("holding", os.getpid(), flush=True)
sys.stdin.readline()
