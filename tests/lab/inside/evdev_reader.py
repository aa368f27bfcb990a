"""In the virtual PC: prints "NAME TYPE CODE VALUE" for each event of every input device, without SYN."""
import glob
import os
import select
import struct

EVENT = struct.Struct("@llHHi")


def device_name(path):
    with open("/sys/class/input/%s/device/name" % os.path.basename(path)) as file:
        name = file.read().strip()
    return name.replace("QEMU ", "").replace("USB ", "").replace(" ", "-")


def main():
    names = {os.open(path, os.O_RDONLY): device_name(path)
             for path in glob.glob("/dev/input/event*")}
    print("reading", *sorted(names.values()), flush=True)
    while True:
        for fd in select.select(list(names), [], [])[0]:
            data = os.read(fd, EVENT.size * 64)
            for _, _, kind, code, value in EVENT.iter_unpack(data):
                if kind:
                    print(names[fd], kind, code, value, flush=True)


main()
