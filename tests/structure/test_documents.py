#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the documents say is what the programs do: commands, options, keys, examples.

usage: test_documents.py ROOT BATON BATONCTL DOCTOR AGENT
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT, BATON, BATONCTL, DOCTOR, AGENT = sys.argv[1:6]


def read(*path):
    with open(os.path.join(ROOT, *path), encoding='utf-8') as file:
        return file.read()


def output(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout


def commands():
    """Names of batonctl's commands, in the order of its help."""
    return re.findall(r'^  ([a-z]+)\b', output(BATONCTL, '--help'), re.M)


def config_keys(*path):
    """The keys of a table of settings in the source."""
    return re.findall(r'(?:KEY\(|\{ "(?:seat|chords|cards)", )"([a-z-]+)",', read(*path))


class Batonctl(unittest.TestCase):
    def test_there_are_commands(self):
        self.assertEqual(len(commands()), 27)

    def test_the_man_page_has_every_command(self):
        page = read('docs', 'man', 'batonctl.1.scd')
        for command in commands():
            self.assertRegex(page, rf'(?m)^(.*, )?\*{command}\b', command)

    def test_the_completions_have_every_command(self):
        words = read('data', 'completions', 'batonctl.bash')
        words = re.search(r'commands="([^"]*)"', words, re.S).group(1).split()
        self.assertEqual(sorted(words), sorted(commands()))
        zsh = re.findall(r"^\t\t'([a-z]+):", read('data', 'completions', '_batonctl'), re.M)
        self.assertEqual(sorted(zsh), sorted(commands()))

    def test_bash_completes_guests(self):
        with tempfile.TemporaryDirectory() as folder:
            stub = os.path.join(folder, 'batonctl')
            with open(stub, 'w', encoding='utf-8') as file:
                file.write('#!/bin/sh\nprintf "  SLOT NAME\\n* 1    alpha\\n  2    beta\\n"\n')
            os.chmod(stub, 0o755)
            path = os.path.join(ROOT, 'data', 'completions', 'batonctl.bash')
            said = output('bash', '-c', f'. "{path}"; COMP_WORDS=(batonctl focus ""); COMP_CWORD=2; '
                          '_batonctl; echo "${COMPREPLY[@]}"',
                          env={**os.environ, 'PATH': f'{folder}:{os.environ["PATH"]}'})
        self.assertEqual(said, 'alpha beta\n')


class Baton(unittest.TestCase):
    def test_the_man_page_has_every_option(self):
        page = read('docs', 'man', 'baton.1.scd')
        options = re.findall(r'--[a-z-]+', output(BATON, '--help'))
        self.assertGreater(len(options), 5)
        for option in options:
            self.assertIn(f'*{option}*', page)


class Doctor(unittest.TestCase):
    page = read('docs', 'man', 'baton-doctor.1.scd')

    def test_the_man_page_has_every_option(self):
        options = re.findall(r'--[a-z-]+', output(DOCTOR, '--help'))
        self.assertGreater(len(options), 8)
        for option in options:
            self.assertIn(f'*{option}*', self.page)

    def test_the_man_page_has_every_check(self):
        folder = os.path.join(ROOT, 'passthrough', 'doctor')
        source = ''.join(read(folder, name) for name in os.listdir(folder) if name.endswith('.c'))
        checks = set(re.findall(r'(?:finding_pass\(|finding_add\([^,]+,)[^,"]+,\s*"([a-z-]+)"', source))
        checks |= set(re.findall(r'check\[\] = "([a-z-]+)"', source))
        self.assertEqual(len(checks), 22)
        for check in checks:
            self.assertIn(f'*{check}*', self.page)


class Agent(unittest.TestCase):
    def test_the_man_page_has_every_option(self):
        page = read('docs', 'man', 'baton-agent.8.scd')
        options = re.findall(r'--[a-z0-9-]+', output(AGENT, '--help'))
        self.assertGreater(len(options), 8)
        for option in options:
            self.assertIn(f'*{option}*', page)


class Configuration(unittest.TestCase):
    def test_the_man_page_has_every_key(self):
        page = read('docs', 'man', 'baton.conf.5.scd')
        keys = [key for path in (('control', 'seat_config.c'), ('vm', 'vm_config.c'),
                                 ('passthrough', 'card_config.c'), ('passthrough', 'card_wishes.c'),
                                 ('passthrough', 'monitor_config.c'),
                                 ('audio', 'audio_config.c'), ('input', 'device_rules.c'))
                for key in config_keys(*path)]
        self.assertGreater(len(keys), 35)
        for key in keys:
            self.assertIn(f'*{key}*', page)

    def test_the_example_has_every_key(self):
        example = read('data', 'baton.conf')
        for key in config_keys('control', 'seat_config.c'):
            self.assertRegex(example, rf'(?m)^#?{key} = ')

    def check(self, change):
        """What check-config says about the examples after change() of each line."""
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, 'guests'))
            os.mkdir(os.path.join(folder, 'cards'))
            for name in ['baton.conf', 'guests/linux.ini', 'guests/windows.ini', 'cards/gpu.ini']:
                text = '\n'.join(map(change, read('data', name).split('\n')))
                with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
                    file.write(text)
            run = subprocess.run([BATON, '--config', folder, 'check-config'],
                                 capture_output=True, text=True, check=False)
        return run.returncode, run.stdout + run.stderr

    def test_the_examples_have_no_mistakes(self):
        status, said = self.check(lambda line: line)
        self.assertEqual((status, said.split(': ')[-1]), (0, '2 guests, 1 cards, no mistakes\n'), said)

    def test_the_defaults_shown_have_no_mistakes(self):
        def uncomment(line):
            return line[1:] if re.match(r'#(?!.*path)[a-z-]+ = (?!uefi)', line) else line
        status, said = self.check(uncomment)
        self.assertEqual(status, 0, said)


if __name__ == '__main__':
    assert shutil.which('bash')
    unittest.main(argv=sys.argv[:1])
