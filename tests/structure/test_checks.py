#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The structural checks themselves, on small made-up trees: each mistake is found, by name."""
import os
import subprocess
import sys
import tempfile
import unittest

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'tools')
LICENCE = '/* SPDX-License-Identifier: MIT */\n'


class Tree:
    """A folder with the given files, and what a check says about it."""

    def __init__(self, files):
        self.folder = tempfile.TemporaryDirectory()
        for path, content in files.items():
            full = os.path.join(self.folder.name, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'w', encoding='utf-8') as file:
                file.write(content)

    def check(self, tool, *arguments):
        run = subprocess.run([sys.executable, os.path.join(TOOLS, tool), '--root',
                              self.folder.name, *arguments],
                             capture_output=True, text=True, check=False)
        self.folder.cleanup()
        return run.returncode, run.stdout


class Includes(unittest.TestCase):
    def found(self, path, include, others=()):
        files = {path: f'{LICENCE}#include "{include}"\n'}
        files.update({other: LICENCE for other in others})
        status, said = Tree(files).check('check-includes')
        self.assertEqual(status, 1 if '0 problems' not in said else 0)
        return said

    def test_what_is_allowed(self):
        for path, include in [('vm/a.c', 'common/b.h'), ('capture/a.c', 'vm/b.h'),
                              ('capture/a.c', 'proto/b.h'), ('capture/a.c', 'capture/b.h'),
                              ('compositor/kms/a.c', 'compositor/b.h'), ('focus/a.c', 'vm/b.h'),
                              ('compositor/kms/a.c', 'capture/frame.h'),
                              ('seat/a.c', 'control/b.h'), ('seat/a.c', 'capture/b.h'),
                              ('passthrough/broker/a.c', 'proto/b.h')]:
            self.assertIn(' 0 problems', self.found(path, include, [include]), (path, include))

    def test_what_is_not(self):
        for path, include in [('common/a.h', 'vm/b.h'), ('vm/a.c', 'capture/b.h'),
                              ('capture/a.c', 'input/b.h'), ('input/a.c', 'capture/b.h'),
                              ('audio/a.c', 'passthrough/b.h'), ('control/a.c', 'vm/b.h'),
                              ('compositor/a.c', 'capture/shm_guard.h'), ('focus/a.c', 'seat/b.h'),
                              ('compositor/kms/a.c', 'input/b.h'), ('vm/a.c', 'focus/b.h'),
                              ('passthrough/broker/a.c', 'common/b.h'),
                              ('passthrough/broker/a.c', 'passthrough/b.h'),
                              ('agent/a.c', 'vm/b.h')]:
            self.assertIn(f'{path}:2: ', self.found(path, include, [include]), (path, include))

    def test_paths_start_at_the_root(self):
        self.assertIn('write the path from the root', self.found('vm/a.c', 'b.h', ['vm/b.h']))

    def test_folders_of_no_program(self):
        self.assertIn('no folder of the program', self.found('vm/a.c', 'tools/b.h', ['tools/b.h']))


class Headers(unittest.TestCase):
    def said(self, header):
        tree = Tree({'common/a.h': LICENCE + header, 'common/a.c': LICENCE})
        folder = tree.folder.name
        commands = ('[{"directory": "%s", "file": "common/a.c", '
                    '"command": "cc -Wall -o a.o -c common/a.c"}]' % folder)
        with open(os.path.join(folder, 'compile_commands.json'), 'w', encoding='utf-8') as file:
            file.write(commands)
        return tree.check('check-includes', '--build', folder)

    def test_a_whole_header(self):
        self.assertEqual(self.said('#ifndef A\n#define A\n#include <stddef.h>\nsize_t a(void);\n'
                                   '#endif\n')[0], 0)

    def test_a_header_that_needs_another(self):
        status, said = self.said('size_t a(void);\n')
        self.assertEqual(status, 1)
        self.assertIn('common/a.h: does not compile alone', said)

    def test_a_header_without_a_guard(self):
        self.assertIn('redefinition', self.said('struct a { int b; };\n')[1])


class Sources(unittest.TestCase):
    def said(self, path, content):
        return Tree({path: content}).check('check-sources')[1]

    def test_a_call_that_waits(self):
        for call in ['sd_bus_call(b, m, 0, e, r)', 'sd_bus_call_method(b)', 'sd_bus_flush(b)',
                     'sd_bus_get_property_string (b)', 'sd_bus_request_name(b, n, 0)']:
            said = self.said('vm/a.c', f'{LICENCE}\nint f(void)\n{{\n\treturn {call};\n}}\n')
            self.assertIn('vm/a.c:5: ', said, call)

    def test_calls_that_do_not_wait(self):
        for line in ['sd_bus_call_async(b)', 'sd_bus_call_method_async(b)', '/* sd_bus_call() */',
                     'x = "sd_bus_call()";', 'sd_bus_request_name_async(b)']:
            self.assertIn(' 0 problems', self.said('vm/a.c', LICENCE + line + '\n'), line)
        for path in ['control/ctl_bus.c', 'control/batonctl.c', 'tests/unit/a.c',
                     'passthrough/broker/a.c']:
            self.assertIn(' 0 problems', self.said(path, LICENCE + 'f(sd_bus_call(b));\n'), path)

    def test_banned_functions(self):
        for name in ['strcpy', 'sprintf', 'atoi', 'usleep', 'sleep', 'system']:
            self.assertIn(f'{name}() is banned', self.said('agent/a.c', f'{LICENCE}f({name}(x));\n'))
        for line in ['vm->system(x)', 'snprintf(x)', 'my_sleep(x)', 'baton.sleep(x)']:
            self.assertIn(' 0 problems', self.said('agent/a.c', LICENCE + line + '\n'), line)

    def test_no_sleep_in_a_test(self):
        self.assertIn('usleep() in a test', self.said('tests/unit/a.c', 'usleep(1);\n'))
        self.assertIn(' 0 problems', self.said('tests/bench/a.c', 'clock_nanosleep(1);\n'))

    def test_unfinished_work(self):
        for word in ['TO' + 'DO', 'FIX' + 'ME']:
            self.assertIn('docs/a.md:2', self.said('docs/a.md', f'one\n{word}: two\n'))
        self.assertIn(' 0 problems', self.said('docs/a.md', 'nothing to do\n'))

    def test_length(self):
        self.assertIn(' 0 problems', self.said('vm/a.c', LICENCE + '\n' * 799))
        self.assertIn('vm/a.c: 801 lines', self.said('vm/a.c', LICENCE + '\n' * 800))

    def test_licence(self):
        self.assertIn('vm/a.c:1: ', self.said('vm/a.c', 'int a;\n'))


if __name__ == '__main__':
    unittest.main()
