#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes a copy of a source file with a bug in it, which a fuzzer must find.

Each is one that readers of memory which others write have had. A text that is not there any more is a
failure: the bug has to be planted anew.

usage: plant.py NUMBER SOURCE COPY
"""
import sys

BUGS = {
    # The end of a range is added up in 32 bits: what lies far outside seems to lie inside.
    '1': ('return size <= memory->size && offset <= memory->size - size;',
          'return (uint32_t)(offset + size) <= memory->size;'),
    # What was checked is read once more.
    '2': ('shape.width = cursor->width;',
          'shape.width = shared_load(memory, message->offset + offsetof(struct kvmfr_cursor, width));'),
    # A lock is waited for.
    '3': ('for (int i = 0; i < LOCK_TRIES; i++) {',
          'for (;;) {'),
    # A higher picture goes into a frame that was made for a lower one.
    '4': ('a->height == b->height &&',
          ''),
}


def main():
    number, source, copy = sys.argv[1:]
    sound, bug = BUGS[number]
    with open(source, encoding='utf-8') as file:
        text = file.read()
    if text.count(sound) != 1:
        print(f'{source}: "{sound}" is there {text.count(sound)} times; plant the bug anew', file=sys.stderr)
        return 1
    with open(copy, 'w', encoding='utf-8') as file:
        file.write(f'#line 1 "{source}"\n' + text.replace(sound, bug))
    return 0


if __name__ == '__main__':
    sys.exit(main())
