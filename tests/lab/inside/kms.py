"""In the virtual PC: drives the first card through plain KMS calls.

kms.py flips     prints "mode W H HZ", then the microseconds that each of 60 page flips took
kms.py cursor    shows a hardware cursor at 100,50, prints "shown"; moves it to 200,150 on a line of input
kms.py planes    prints the types of the card's planes (0 overlay, 1 primary, 2 cursor)
"""
import ctypes
import fcntl
import mmap
import os
import struct
import sys
import time

WRITE_READ = 3 << 30
CURSOR_SIDE = 64


class Card:
    def __init__(self):
        self.fd = os.open("/dev/dri/card0", os.O_RDWR)

    def call(self, number, data):
        """A DRM ioctl with a struct of these bytes; the bytes that came back."""
        buffer = bytearray(data)
        fcntl.ioctl(self.fd, WRITE_READ | len(data) << 16 | ord("d") << 8 | number, buffer)
        return bytes(buffer)

    def client_cap(self, capability, value):
        fcntl.ioctl(self.fd, 1 << 30 | 16 << 16 | ord("d") << 8 | 0x0d,
                    struct.pack("QQ", capability, value))

    def become_master(self):
        fcntl.ioctl(self.fd, ord("d") << 8 | 0x1e)

    def mode_find(self):
        """The first connector's preferred mode and its CRTC."""
        counts = struct.unpack("4Q8I", self.call(0xA0, bytes(64)))
        crtcs, connectors = (ctypes.c_uint32 * 8)(), (ctypes.c_uint32 * 8)()
        self.call(0xA0, struct.pack("4Q8I", 0, ctypes.addressof(crtcs),
                                    ctypes.addressof(connectors), 0, 0, counts[5], counts[6],
                                    0, 0, 0, 0, 0))
        self.crtc, self.connector = crtcs[0], connectors[0]
        modes = ctypes.create_string_buffer(68 * 64)
        empty = [0] * 7
        first = struct.unpack("4Q12I", self.call(0xA7, struct.pack(
            "4Q12I", 0, 0, 0, 0, 0, 0, 0, 0, self.connector, *empty)))
        self.call(0xA7, struct.pack("4Q12I", 0, ctypes.addressof(modes), 0, 0, first[4], 0, 0, 0,
                                    self.connector, *empty))
        self.mode = modes.raw[:68]
        self.width = struct.unpack_from("H", self.mode, 4)[0]
        self.height = struct.unpack_from("H", self.mode, 14)[0]
        self.rate = struct.unpack_from("I", self.mode, 24)[0]

    def dumb_buffer(self, width, height):
        made = struct.unpack("6IQ", self.call(0xB2, struct.pack("6IQ", height, width, 32, 0, 0, 0, 0)))
        return made[4], made[5]

    def frame_buffer(self):
        handle, pitch = self.dumb_buffer(self.width, self.height)
        return struct.unpack("7I", self.call(0xAE, struct.pack("7I", 0, self.width, self.height,
                                                               pitch, 32, 24, handle)))[0]

    def mode_set(self, frame):
        wanted = (ctypes.c_uint32 * 1)(self.connector)
        self.call(0xA2, struct.pack("Q7I", ctypes.addressof(wanted), 1, self.crtc, frame,
                                    0, 0, 0, 1) + self.mode)

    def cursor_move(self, x, y):
        self.call(0xA3, struct.pack("2I2i3I", 2, self.crtc, x, y, 0, 0, 0))

    def cursor_show(self, x, y):
        handle, pitch = self.dumb_buffer(CURSOR_SIDE, CURSOR_SIDE)
        offset = struct.unpack("2IQ", self.call(0xB3, struct.pack("2IQ", handle, 0, 0)))[2]
        size = pitch * CURSOR_SIDE
        memory = mmap.mmap(self.fd, size, offset=offset)
        memory[:size // 2] = b"\x00\x80\xff\xff" * (size // 8)
        self.call(0xBB, struct.pack("2I2i3I2i", 1, self.crtc, 0, 0, CURSOR_SIDE, CURSOR_SIDE,
                                    handle, 0, 0))
        self.cursor_move(x, y)

    def plane_types(self):
        planes = (ctypes.c_uint32 * 16)()
        count = struct.unpack("QI4x", self.call(0xB5, struct.pack(
            "QI4x", ctypes.addressof(planes), 16)))[1]
        return [self.property_value(plane, b"type") for plane in planes[:count]]

    def property_value(self, plane, wanted):
        identities, values = (ctypes.c_uint32 * 64)(), (ctypes.c_uint64 * 64)()
        count = struct.unpack("2Q3I4x", self.call(0xB9, struct.pack(
            "2Q3I4x", ctypes.addressof(identities), ctypes.addressof(values), 64, plane,
            0xeeeeeeee)))[2]
        for number, value in zip(identities[:count], values[:count]):
            answer = self.call(0xAA, struct.pack("2QII32sII", 0, 0, number, 0, b"", 0, 0))
            if struct.unpack("2QII32sII", answer)[4].rstrip(b"\0") == wanted:
                return value
        return None


def main():
    card = Card()
    if sys.argv[1] == "planes":
        card.client_cap(3, 1)
        # Without the client's word that it knows of hot spots, paravirtual cards hide their cursor plane.
        for capability in (2, 6):
            try:
                card.client_cap(capability, 1)
            except OSError:
                pass
        print("planes", *card.plane_types())
        return
    card.become_master()
    card.mode_find()
    frames = [card.frame_buffer(), card.frame_buffer()]
    card.mode_set(frames[0])
    if sys.argv[1] == "cursor":
        card.cursor_show(100, 50)
        print("shown", flush=True)
        sys.stdin.readline()
        card.cursor_move(200, 150)
        sys.stdin.readline()
        return
    print("mode", card.width, card.height, card.rate, flush=True)
    for number in range(60):
        began = time.monotonic()
        card.call(0xB0, struct.pack("4IQ", card.crtc, frames[number % 2], 1, 0, number))
        os.read(card.fd, 1024)
        print(int((time.monotonic() - began) * 1e6), flush=True)


main()
