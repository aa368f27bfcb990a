"""In the virtual PC: a touch screen, a pen and a gamepad of uinput, which do what the lines of stdin say.

    NAME TYPE CODE VALUE [TYPE CODE VALUE...]   one batch of touch, pen or pad
    gone NAME                                   the device is unplugged
    flood NAME N TYPE CODE                      N batches of this event, with values 1 and 0 in turn
Each line is answered by "done".
"""
import fcntl
import os
import struct
import sys

EVENT = struct.Struct("@llHHi")
SETUP = struct.Struct("@HHHH80sI")
ABS = struct.Struct("@HHiiiiii")
UI_DEV_CREATE, UI_DEV_DESTROY = 0x5501, 0x5502
UI_DEV_SETUP, UI_ABS_SETUP = 0x405c5503, 0x401c5504
UI_SET_EVBIT, UI_SET_KEYBIT, UI_SET_ABSBIT, UI_SET_PROPBIT = 0x40045564, 0x40045565, 0x40045567, 0x4004556e
EV_KEY, EV_ABS = 1, 3
PROP_POINTER, PROP_DIRECT = 0, 1
# Name, properties, keys, axes: (code, least, most, units per millimetre or radian).
DEVICES = {
    "touch": ("Lab touch screen", [PROP_DIRECT], [0x14a],
              [(0, 0, 4095, 10), (1, 0, 4095, 10), (0x2f, 0, 9, 0), (0x39, 0, 65535, 0), (0x35, 0, 4095, 10),
               (0x36, 0, 4095, 10)]),
    "pen": ("Lab pen", [PROP_POINTER], [0x140, 0x141, 0x14a, 0x14b, 0x14c],
            [(0, 0, 20000, 100), (1, 0, 10000, 100), (0x18, 0, 2047, 0), (0x1a, -64, 63, 57), (0x1b, -64, 63, 57)]),
    "pad": ("Lab gamepad", [], list(range(0x130, 0x13f)),
            [(0, -32768, 32767, 0), (1, -32768, 32767, 0), (2, 0, 255, 0), (5, 0, 255, 0), (0x10, -1, 1, 0)]),
}


def create(title, properties, keys, axes):
    fd = os.open("/dev/uinput", os.O_RDWR | os.O_NONBLOCK)
    for kind in (EV_KEY, EV_ABS):
        fcntl.ioctl(fd, UI_SET_EVBIT, kind)
    for prop in properties:
        fcntl.ioctl(fd, UI_SET_PROPBIT, prop)
    for key in keys:
        fcntl.ioctl(fd, UI_SET_KEYBIT, key)
    for code, least, most, resolution in axes:
        fcntl.ioctl(fd, UI_SET_ABSBIT, code)
        fcntl.ioctl(fd, UI_ABS_SETUP, ABS.pack(code, 0, 0, least, most, 0, 0, resolution))
    fcntl.ioctl(fd, UI_DEV_SETUP, SETUP.pack(3, 0x1234, 0x5678, 1, title.encode(), 0))
    fcntl.ioctl(fd, UI_DEV_CREATE)
    return fd


def batch(fd, numbers):
    events = [EVENT.pack(0, 0, *numbers[i:i + 3]) for i in range(0, len(numbers), 3)]
    os.write(fd, b"".join(events) + EVENT.pack(0, 0, 0, 0, 0))


def main():
    fds = {name: create(*parts) for name, parts in DEVICES.items()}
    print("made", flush=True)
    for line in sys.stdin:
        name, *words = line.split()
        if name == "gone":
            fcntl.ioctl(fds[words[0]], UI_DEV_DESTROY)
            os.close(fds.pop(words[0]))
        elif name == "flood":
            for i in range(int(words[1])):
                batch(fds[words[0]], [int(words[2]), int(words[3]), 1 - i % 2])
        else:
            batch(fds[name], [int(word, 0) for word in words])
        print("done", flush=True)


main()
