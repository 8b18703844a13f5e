/** Options and URLs, mostly invalid ones. */

import { isBusbarError } from '@busbar/api';
import { tempDir } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { openSqlite, parseSqliteUrl, type SqliteOptions } from '../src/index.ts';

test.each([
  ['sqlite:./bus.db', { file: './bus.db' }],
  ['sqlite:bus.db?durability=power', { file: 'bus.db', durability: 'power' }],
  ['sqlite:/var/lib/bus.db', { file: '/var/lib/bus.db' }],
  ['sqlite:///var/lib/bus.db', { file: '/var/lib/bus.db' }],
  ['sqlite:a%20b%25c%3Fd%23.db?ns=team-a', { file: 'a b%c?d#.db', ns: 'team-a' }],
  [
    'SQLITE:bus.db?maxEvents=10&maxBytes=Infinity',
    { file: 'bus.db', retention: { maxEvents: 10, maxBytes: Infinity } },
  ],
  [
    'sqlite:bus.db?topicDedupeMs=120000&allowNetworkFileSystem=true',
    { file: 'bus.db', topicDedupeMs: 120_000, allowNetworkFileSystem: true },
  ],
])('%s', (url, options) => {
  expect(parseSqliteUrl(url)).toEqual(options);
});

test.each([
  ['sqlite:', 'names no file'],
  ['sqlite::memory:', '`memory:`'],
  ['sqlite::x.db', './'],
  ['sqlite:~', '$HOME'],
  ['sqlite:~/bus.db', '$HOME'],
  ['sqlite:$HOME/bus.db', 'Variables'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable that a shell did not replace
  ['sqlite:${HOME}/bus.db', 'Variables'],
  ['sqlite:%25TEMP%25/bus.db', 'Variables'],
  ['sqlite:file:./x.db', './bus.db'],
  ['sqlite:FILE:x.db?mode=ro', './bus.db'],
  ['sqlite:sqlite:./x.db', './bus.db'],
  ['sqlite:redis://host', 'This is a URL'],
  ['sqlite:./folder/', 'folder'],
  ['sqlite:..', 'folder'],
  ["sqlite:'./bus.db'", 'quotes'],
  ['sqlite:./bus.db\r', 'CRLF'],
  ['sqlite:./bus.db%0D', 'CRLF'],
  ['sqlite:./bus.db\n', 'CRLF'],
  ['sqlite:./bus.db ', 'white space'],
  ['sqlite: ./bus.db', 'white space'],
  ['sqlite:./bus.db\u00a0', 'white space'],
  ['sqlite:./bus.db\ufeff', 'white space'],
  ['sqlite:./b\u0007us.db', 'control characters'],
  ['sqlite:./bus\u0085.db', 'control characters'],
  ['sqlite:./bus.db%00', 'control characters'],
  ['sqlite://host/bus.db', 'three slashes'],
  ['sqlite:bus.db#x', '%23'],
  ['sqlite:%zz', '%25'],
  [
    'sqlite:bus.db?durable=power',
    'durability, ns, maxEvents, maxBytes, maxAgeMs, topicDedupeMs, allowNetworkFileSystem',
  ],
  ['sqlite:bus.db?ns=a&ns=b', 'once'],
  ['sqlite:bus.db?maxEvents=ten', 'whole number'],
  ['sqlite:bus.db?allowNetworkFileSystem=yes', 'true or false'],
  ['redis://host', 'sqlite:'],
])('%s is refused with a hint', (url, hint) => {
  const error = caught(() => parseSqliteUrl(url));
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(`${error.message} ${error.hint}`).toContain(hint);
});

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['no file', {}],
  ['an empty file', { file: '' }],
  ['a file in memory', { file: ':memory:' }],
  ['a name that SQLite would trim', { file: './bus.db\r' }],
  ['half a character', { file: './bus\ud800.db' }],
  ['an unknown option', { file: 'bus.db', sync: true }],
  ['an unknown durability', { file: 'bus.db', durability: 'fsync' }],
  ['an invalid namespace', { file: 'bus.db', ns: 'a b' }],
  ['an unknown bound', { file: 'bus.db', retention: { days: 3 } }],
  ['a bound of nothing', { file: 'bus.db', retention: { maxEvents: 0 } }],
])('%s is refused before a file is made', async (_, options) => {
  await using folder = tempDir();
  const here = process.cwd();
  process.chdir(folder.path);
  try {
    await expect(openSqlite(options as SqliteOptions)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  } finally {
    process.chdir(here);
  }
});

test('capabilities show the options', async () => {
  await using folder = tempDir();
  const options = { file: folder.join('bus.db'), durability: 'power', retention: { maxEvents: 5 } } as const;
  await using transport = await openSqlite(options);
  const { durability, retention } = transport.capabilities;
  expect(durability).toBe('power');
  expect(retention).toEqual({ maxAgeMs: 604_800_000, maxEvents: 5, maxBytes: 1_073_741_824 });
});

function caught(work: () => unknown): { message: string; hint?: string | undefined } {
  try {
    work();
  } catch (error) {
    if (isBusbarError(error)) return error;
  }
  throw new Error('nothing was thrown');
}
