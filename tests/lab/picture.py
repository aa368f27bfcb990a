"""Pictures as raw pixels: from QEMU's screendump, hashed as the test guest hashes its frame buffer."""
import hashlib
import struct
import zlib


class Picture:
    """Rows of width * 4 bytes: blue, green, red, 0, which is little-endian XRGB with X = 0."""

    def __init__(self, width, height, data):
        assert len(data) == width * height * 4
        self.width = width
        self.height = height
        self.data = bytes(data)

    @classmethod
    def from_ppm(cls, data):
        """A binary PPM (P6) with 8 bits a channel."""
        fields = data.split(None, 4)[:4]
        assert fields[0] == b"P6" and fields[3] == b"255", fields
        width, height = int(fields[1]), int(fields[2])
        return cls.from_rgb(width, height, data[len(data) - width * height * 3:])

    @classmethod
    def from_rgb(cls, width, height, rgb):
        pixels = bytearray(width * height * 4)
        pixels[0::4] = rgb[2::3]
        pixels[1::4] = rgb[1::3]
        pixels[2::4] = rgb[0::3]
        return cls(width, height, pixels)

    @property
    def size(self):
        return "%dx%d" % (self.width, self.height)

    def rgb(self):
        data = bytearray(self.width * self.height * 3)
        data[0::3] = self.data[2::4]
        data[1::3] = self.data[1::4]
        data[2::3] = self.data[0::4]
        return bytes(data)

    def pixel(self, x, y):
        """The colour as 0xrrggbb."""
        return struct.unpack_from("<I", self.data, (y * self.width + x) * 4)[0]

    def crop(self, x, y, width, height):
        rows = []
        for row in range(y, y + height):
            start = (row * self.width + x) * 4
            rows.append(self.data[start:start + width * 4])
        return Picture(width, height, b"".join(rows))

    def sha256(self):
        return hashlib.sha256(self.data).hexdigest()

    def same_colour(self):
        """Whether every pixel has the same colour (a blank screen)."""
        return self.data == self.data[:4] * (self.width * self.height)

    def difference(self, other):
        """None for equal pictures, else words on what differs and where."""
        if self.size != other.size:
            return "size %s against %s" % (self.size, other.size)
        if self.data == other.data:
            return None
        count, box = 0, [self.width, self.height, -1, -1]
        stride = self.width * 4
        for y in range(self.height):
            mine = self.data[y * stride:(y + 1) * stride]
            its = other.data[y * stride:(y + 1) * stride]
            if mine == its:
                continue
            wrong = [x for x in range(self.width) if mine[x * 4:x * 4 + 4] != its[x * 4:x * 4 + 4]]
            count += len(wrong)
            box = [min(box[0], wrong[0]), min(box[1], y), max(box[2], wrong[-1]), max(box[3], y)]
        return "%d pixels differ, within x %d..%d y %d..%d" % (count, box[0], box[2], box[1], box[3])

    def save(self, path):
        """Writes a PNG."""
        def chunk(kind, data):
            body = kind + data
            return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
        stride = self.width * 3
        rgb = self.rgb()
        rows = b"".join(b"\0" + rgb[y * stride:(y + 1) * stride] for y in range(self.height))
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n"
                       + chunk(b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0))
                       + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))

    @classmethod
    def load(cls, path):
        """Reads a PNG of 8 bits a channel, RGB or RGBA, not interlaced (what cairo and QEMU write)."""
        data = open(path, "rb").read()
        assert data[:8] == b"\x89PNG\r\n\x1a\n", path
        position, packed, header = 8, b"", None
        while position < len(data):
            length, kind = struct.unpack_from(">I4s", data, position)
            body = data[position + 8:position + 8 + length]
            if kind == b"IHDR":
                header = struct.unpack(">IIBBBBB", body)
            elif kind == b"IDAT":
                packed += body
            position += 12 + length
        width, height, depth, colour, _, _, interlaced = header
        assert depth == 8 and colour in (2, 6) and not interlaced, header
        channels = 3 if colour == 2 else 4
        raw = unfilter(zlib.decompress(packed), width * channels, height, channels)
        if channels == 3:
            return cls.from_rgb(width, height, raw)
        rgb = bytearray(width * height * 3)
        for channel in range(3):
            rgb[channel::3] = raw[channel::4]
        return cls.from_rgb(width, height, bytes(rgb))


def unfilter(data, stride, height, step):
    """Undoes PNG's row filters."""
    out = bytearray()
    above = bytes(stride)
    for y in range(height):
        start = y * (stride + 1)
        kind, row = data[start], bytearray(data[start + 1:start + 1 + stride])
        if kind == 2:
            row = bytearray((a + b) & 255 for a, b in zip(row, above))
        elif kind:
            for x in range(stride):
                left = row[x - step] if x >= step else 0
                corner = above[x - step] if x >= step else 0
                row[x] = (row[x] + predict(kind, left, above[x], corner)) & 255
        out += row
        above = bytes(row)
    return bytes(out)


def predict(kind, left, up, corner):
    if kind == 1:
        return left
    if kind == 3:
        return (left + up) // 2
    guess = left + up - corner
    distances = (abs(guess - left), abs(guess - up), abs(guess - corner))
    return (left, up, corner)[distances.index(min(distances))]
