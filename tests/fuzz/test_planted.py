#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The fuzzer of shared memory finds the bugs that were planted, and reaches the code.

usage: test_planted.py SOUND PLANTED… -- GCOV…
SOUND is built for coverage; GCOV… reads what it leaves beside its objects.
"""
import json
import os
import subprocess
import sys
import time
import unittest

SEED = '2026'
ROUNDS = '20000'  # as many as the fuzzer's own test has
ROUNDS_PLANTED = '200000'  # at most, until the bug is found
DEADLINE_S = 120
LINES_MIN = 95  # percent of the lines of the reader
FILES = ('kvmfr_cursor.c', 'kvmfr_frames.c', 'kvmfr_info.c', 'kvmfr_picture.c', 'kvmfr_source.c', 'lgmp_client.c',
         'shared_memory.c', 'shared_memory.h')


def run(program, rounds):
    return subprocess.run([program, rounds, SEED], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          timeout=DEADLINE_S, check=False)


def counts_in(folder):
    return [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith('.gcda')]


def lines_of(data, gcov):
    """For each source file of the reader: how often each of its lines was run."""
    said = subprocess.run(gcov + ['--json-format', '--stdout', data], capture_output=True, text=True, check=True,
                          cwd=os.path.dirname(data)).stdout
    for file in json.loads(said)['files']:
        name = os.path.basename(file['file'])
        if name in FILES:
            yield name, {line['line_number']: line['count'] for line in file['lines']}


class Planted(unittest.TestCase):
    def test_each_is_found(self):
        for program in PLANTED:
            # It is the bug that ends it, nothing that ends it at once.
            self.assertEqual(run(program, '1').returncode, 0, program)
            begun = time.monotonic()
            done = run(program, ROUNDS_PLANTED)
            seconds = time.monotonic() - begun
            print(f'{os.path.basename(program)}: ended with {done.returncode} after {seconds:.1f} s')
            self.assertNotIn(done.returncode, (0, 2), program)

    def test_coverage(self):
        folder = os.path.abspath(SOUND) + '.p'
        for old in counts_in(folder):
            os.unlink(old)
        done = run(SOUND, ROUNDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = {}
        for data in counts_in(folder):
            for name, lines in lines_of(data, GCOV):
                # A header's lines are in several objects.
                known = found.setdefault(name, {})
                for number, count in lines.items():
                    known[number] = known.get(number, 0) + count
        self.assertEqual(sorted(found), sorted(FILES))
        reached = total = 0
        for name, lines in sorted(found.items()):
            hit = sum(count > 0 for count in lines.values())
            missed = [number for number, count in lines.items() if count == 0]
            print(f'{name}: {hit} of {len(lines)} lines reached; not {missed}')
            reached += hit
            total += len(lines)
        print(f'coverage: {100 * reached / total:.1f} % of {total} lines in {ROUNDS} rounds')
        self.assertGreaterEqual(100 * reached / total, LINES_MIN)


if __name__ == '__main__':
    at = sys.argv.index('--')
    SOUND, PLANTED, GCOV = sys.argv[1], sys.argv[2:at], sys.argv[at + 1:]
    unittest.main(argv=sys.argv[:1])
