#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What runs as root stays small: baton-broker has at most 2,000 lines of code and links libc and libseccomp alone.

Lines of code are those with more than comment and blanks. Counted is all of ours that runs as root, the launcher of
guests included. Not counted are proto/, which is data alone (this checks that), libc and libseccomp, and systemd,
which the launcher tells to start a guest's unit: whose program, baton-guest, never is root.

usage: test_broker_size.py ROOT BROKER
"""
import glob
import os
import re
import subprocess
import sys
import unittest

ROOT, BROKER = sys.argv[1:3]
LINES_MAX = 2000
LIBRARIES = {'libc.so.6', 'libseccomp.so.2', 'ld-linux-x86-64.so.2', 'libasan.so.8', 'libubsan.so.1'}
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*', re.S)


def code_lines(text):
    """The lines of a C text that are not blank without its comments."""
    return [line for line in COMMENT.sub('', text).split('\n') if line.strip()]


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


class Size(unittest.TestCase):
    def test_lines(self):
        paths = glob.glob(os.path.join(ROOT, 'passthrough', 'broker', '**', '*.[ch]'), recursive=True)
        self.assertGreater(len(paths), 10)
        counts = {os.path.basename(path): len(code_lines(read(path))) for path in sorted(paths)}
        print('%d lines of code: %s' % (sum(counts.values()), counts))
        self.assertLessEqual(sum(counts.values()), LINES_MAX)

    def test_what_is_counted(self):
        self.assertEqual(code_lines('/* a\n * b */\n\nint c; // d\n// e\nint /* f */ g;\n'),
                         ['int c; ', 'int  g;'])

    def test_proto_is_data(self):
        text = '\n'.join(code_lines(read(os.path.join(ROOT, 'proto', 'broker.h'))))
        self.assertNotRegex(text, r'[;{}]\s*\n[^;{}=]*\)\s*\{')
        self.assertNotIn('static', text)

    def test_the_man_page_has_every_option(self):
        usage = subprocess.run([BROKER, '--help'], capture_output=True, text=True, check=False)
        options = re.findall(r'--[a-z-]+', usage.stderr)
        self.assertEqual((usage.returncode, len(options)), (2, 3))
        page = read(os.path.join(ROOT, 'docs', 'man', 'baton-broker.8.scd'))
        for option in options:
            self.assertIn(f'*{option}* ', page)

    def test_the_example_is_understood(self):
        example = read(os.path.join(ROOT, 'data', 'broker.conf'))
        self.assertEqual(re.findall(r'^#(\w+) [0-9a-f]{4}:|^#(user) \w+$', example, re.M), [('card', ''), ('', 'user')])

    def test_libraries(self):
        said = subprocess.run(['readelf', '-d', BROKER], capture_output=True, text=True, check=True).stdout
        needed = set(re.findall(r'\(NEEDED\).*\[(.*)\]', said))
        self.assertIn('libseccomp.so.2', needed)
        self.assertLessEqual(needed, LIBRARIES)


if __name__ == '__main__':
    unittest.main(argv=sys.argv[:1])
