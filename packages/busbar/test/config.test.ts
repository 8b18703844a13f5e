// Finding the bus: precedence, names, the config file, the project's folder, and errors of bad input.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isBusbarError } from '@busbar/api';
import { tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../src/config/config-file.ts';
import { createProjectFolder, type Environment, locateBus } from '../src/config/locate-bus.ts';
import { shell } from './shell.ts';

const locateIn = (cwd: string, named?: string, env: Environment = {}): ReturnType<typeof locateBus> =>
  locateBus(named, '--url', env, cwd);

/** The error of bad input: message and hint. */
function refusal(run: () => unknown): { message: string; hint: string } {
  try {
    run();
  } catch (error) {
    if (!isBusbarError(error)) throw error;
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.hint, 'has a hint').toBeTruthy();
    return { message: error.message, hint: error.hint ?? '' };
  }
  throw new Error('it was not refused');
}

describe('finding the bus', () => {
  test('a flag overrides the environment, then the config file, then the default', async () => {
    await using dir = tempDir();
    const env = { MESSAGE_BUS: 'sqlite:/env.db' };
    expect(locateIn(dir.path)).toMatchObject({ origin: 'default', url: `sqlite:${dir.join('.busbar/bus.db')}` });
    writeFileSync(dir.join('busbar.config.json'), '{"bus":"sqlite:/file.db"}');
    expect(locateIn(dir.path)).toMatchObject({ origin: dir.join('busbar.config.json'), url: 'sqlite:/file.db' });
    expect(locateIn(dir.path, undefined, env)).toEqual({ origin: 'MESSAGE_BUS', url: 'sqlite:/env.db' });
    expect(locateIn(dir.path, 'memory', env)).toEqual({ origin: '--url', url: 'memory:' });
  });

  test('a name in the nearest config file, with a namespace and a path relative to it', async () => {
    await using dir = tempDir();
    mkdirSync(dir.join('a/b'), { recursive: true });
    const buses = { team: 'sqlite:./x.db', local: { url: 'sqlite:y.db?durability=power', ns: 'a' }, mem: 'memory' };
    writeFileSync(dir.join('busbar.config.json'), JSON.stringify({ bus: 'team', buses }));
    const at = (name?: string): string => locateIn(dir.join('a/b'), name).url;
    expect(at()).toBe(`sqlite:${dir.join('x.db')}`);
    expect(at('local')).toBe(`sqlite:${dir.join('y.db')}?durability=power&ns=a`);
    expect(at('mem')).toBe('memory:');
  });

  test('a path on the command line is relative to the working directory', async () => {
    await using dir = tempDir();
    expect(locateIn(dir.path, 'sqlite:./t.db?ns=a').url).toBe(`sqlite:${dir.join('t.db')}?ns=a`);
    expect(locateIn(dir.path, 'SQLITE:/t.db').url).toBe('sqlite:/t.db');
    expect(locateIn(dir.path, 'sqlite:~/t.db').url).toBe(`sqlite:${homedir()}/t.db`);
  });

  test('a folder may have any name', async () => {
    await using dir = tempDir();
    const odd = dir.join('50% off? #1');
    mkdirSync(odd);
    expect(locateIn(odd, 'sqlite:t.db').url).toBe(`sqlite:${dir.path}/50%25 off%3F %231/t.db`);
  });

  test.each([
    ['unix', 'unix:$/.busbar/bus.sock'],
    ['zmq', 'zmq:ipc://$/.busbar/bus.zmq'],
    ['ws', 'ws:$/.busbar/bus.ws'],
    ['unix:?store=memory:', 'unix:$/.busbar/bus.sock?store=memory:'],
    ['unix:./x.sock?ns=a', 'unix:$/x.sock?ns=a'],
    ['unix:/run/x.sock', 'unix:/run/x.sock'],
    ['unix:///run/x.sock', 'unix:///run/x.sock'],
    ['zmq:ipc://./x.zmq', 'zmq:ipc://$/x.zmq'],
    ['zeromq:ipc://x.zmq', 'zmq:ipc://$/x.zmq'],
    ['zmq:tcp://127.0.0.1:7400', 'zmq:tcp://127.0.0.1:7400'],
    ['ws:./x.ws', 'ws:$/x.ws'],
    ['websocket:x.ws', 'ws:$/x.ws'],
    ['ws://127.0.0.1:7400/bus', 'ws://127.0.0.1:7400/bus'],
    ['wss://host/bus', 'wss://host/bus'],
  ])('the path of a socket: %s', async (name, url) => {
    await using dir = tempDir();
    expect(locateIn(dir.path, name).url).toBe(url.replace('$', dir.path));
  });
});

describe('the folder of the project', () => {
  test('is the nearest .busbar above', async () => {
    await using dir = tempDir();
    mkdirSync(dir.join('.busbar'));
    mkdirSync(dir.join('a/.git'), { recursive: true });
    expect(locateIn(dir.join('a')).folder).toEqual({ path: dir.join('.busbar'), exists: true });
  });

  test('is created beside .git, for its owner only, and ignored by git', async () => {
    await using dir = tempDir();
    mkdirSync(dir.join('.git'));
    mkdirSync(dir.join('src/deep'), { recursive: true });
    const located = locateIn(dir.join('src/deep'), 'sqlite');
    expect(located.folder).toEqual({ path: dir.join('.busbar'), exists: false });
    expect(existsSync(dir.join('.busbar'))).toBe(false);
    createProjectFolder(located);
    createProjectFolder(located);
    expect(statSync(dir.join('.busbar')).mode & 0o777).toBe(0o700);
    expect(readFileSync(dir.join('.busbar/.gitignore'), 'utf8')).toBe('*\n');
  });

  test('is created in the working directory without .git, also beside a file of that name', async () => {
    await using dir = tempDir();
    mkdirSync(dir.join('a'));
    writeFileSync(dir.join('.busbar'), '');
    expect(locateIn(dir.join('a')).folder).toEqual({ path: join(dir.path, 'a/.busbar'), exists: false });
  });
});

describe('a bad name of a bus', () => {
  const list = 'Use one of memory, sqlite,';

  test.each([
    ['', '--url is empty', list],
    ['  ', '--url is empty', list],
    ['sqlit', '--url names an unknown bus: "sqlit"', `Did you mean sqlite? ${list}`],
    ['mysql://localhost', '--url has the unknown scheme "mysql"', list],
    ['postgres', '--url names an unknown bus: "postgres"', list],
    ['./bus.db', '--url is a path: "./bus.db"', 'Write sqlite:./bus.db for a SQLite file'],
    [`sqlite:${'x'.repeat(5000)}`, '--url is longer than 4096 characters', list],
    ['sqlite::memory:', 'the path in --url is not the path of a file: ":memory:"', 'A bus in memory is `memory:`.'],
    ['sqlite:~', 'the path in --url is not the path of a file: "~"', 'Write $HOME/bus.db'],
    ['sqlite:file:./x.db', 'the path in --url is not the path of a file: "file:./x.db"', 'Write the path alone'],
    ['sqlite:./%zz', '--url has a bad escape: "./%zz"', 'Write a percent sign in a path as %25.'],
    ['__proto__', '--url names an unknown bus: "__proto__"', list],
    ['$(reboot)', '--url names an unknown bus: "$(reboot)"', list],
    ['x\u001b[2J', '--url names an unknown bus: "x\\u001b[2J"', list],
  ])('%j', (name, message, hint) => {
    const found = refusal(() => locateIn('/nowhere', name));
    expect(found.message).toBe(message);
    expect(found.hint).toContain(hint);
  });

  test.each([1, null, {}, []])('%j from a program', (name) => {
    expect(refusal(() => locateIn('/', name as unknown as string)).message).toMatch(/must be a string/);
  });

  test('an empty MESSAGE_BUS is refused too', () => {
    expect(refusal(() => locateIn('/', undefined, { MESSAGE_BUS: '' })).message).toBe('MESSAGE_BUS is empty');
  });

  test('its secrets are masked', () => {
    const found = refusal(() => locateIn('/nowhere', 'rediss-//user:hunter2@h?password=hunter2'));
    expect(`${found.message} ${found.hint}`).not.toContain('hunter2');
  });
});

describe('remains of the file that a setting came from', () => {
  const refused = [
    ['sqlite:./x.db\r', /has a carriage return at its end/, /CRLF/],
    ['sqlite:./x.db\r\n', /has a carriage return at its end/, /CRLF/],
    ['sqlite:./x.db\n', /has white space at its ends/, /Remove it/],
    [' sqlite:./x.db', /has white space at its ends/, /Remove it/],
    ['sqlite:./x.db\t', /has white space at its ends/, /Remove it/],
    ['sqlite:./x.db\u00a0', /has white space at its ends/, /Remove it/],
    ['"sqlite:./x.db"', /has quotes at its ends/, /Remove them/],
    ["'redis://:hunter2@h'", /has quotes at its ends/, /Remove them/],
    ['“sqlite:./x.db”', /has quotes at its ends/, /Remove them/],
    ['sqlite:./x.db"', /has quotes at its ends/, /Remove them/],
    ['redis://:hunter2@h\r', /has a carriage return at its end/, /CRLF/],
    ['sqlite:./a\u0007b.db', /has a control character/, /Remove it/],
    ['redis://:hunter2@h/\n0', /has a control character/, /Remove it/],
    ['memory\r', /has a carriage return at its end/, /CRLF/],
    ['sqlite:./x.db%0D', /the path in .* has control characters/, /CRLF/],
    ['sqlite:./x.db%20', /the path in .* white space at an end/, /without them/],
    ['sqlite:./x.db%E2%80%8B', /the path in .* has an invisible character at an end/, /by hand/],
    ['sqlite:./a%00b', /the path in .* has control characters/, /without them/],
  ] as const;

  test.each(refused)('MESSAGE_BUS=%j', (value, message, hint) => {
    const found = refusal(() => locateIn('/nowhere', undefined, { MESSAGE_BUS: value }));
    expect(found.message).toMatch(message);
    expect(found.message).toMatch(/MESSAGE_BUS/);
    expect(found.hint).toMatch(hint);
    expect(JSON.stringify(found)).not.toContain('hunter2');
  });

  test.each(refused)('in a config file: %j', async (value, message, hint) => {
    await using dir = tempDir();
    for (const content of [
      { bus: value },
      { bus: 'a', buses: { a: value } },
      { bus: 'a', buses: { a: { url: value } } },
    ]) {
      writeFileSync(dir.join('busbar.config.json'), JSON.stringify(content));
      const found = refusal(() => locateIn(dir.path));
      expect(found.message).toMatch(message);
      expect(found.hint).toMatch(hint);
      expect(JSON.stringify(found)).not.toContain('hunter2');
    }
  });

  test.each(['', ' ', '\r', '\n'])('nothing but white space is empty: %j', (MESSAGE_BUS) => {
    expect(refusal(() => locateIn('/nowhere', undefined, { MESSAGE_BUS })).message).toBe('MESSAGE_BUS is empty');
  });

  test('quotes and white space inside of a path are legal', async () => {
    await using dir = tempDir();
    expect(locateIn(dir.path, `sqlite:./it's "x" y.db`).url).toBe(`sqlite:${dir.path}/it's "x" y.db`);
  });

  test.each(['postgres_//bob:hunter2@h', '1redis://bob:hunter2@h/x', 'bob_x:hunter2@h', './bob:hunter2@h'])(
    'a broken URL shows no secret: %s',
    (MESSAGE_BUS) => {
      const found = refusal(() => locateIn('/nowhere', undefined, { MESSAGE_BUS }));
      expect(JSON.stringify(found)).not.toContain('hunter2');
    },
  );
});

// Root may own files for others, so these run as root.
describe.runIf(process.geteuid?.() === 0)('files of other users', () => {
  const OTHER = 12_345;

  /** The error of a file that belongs to another user. */
  const denial = (run: () => unknown): { message: string; hint: string | undefined } => {
    try {
      run();
    } catch (error) {
      if (!isBusbarError(error)) throw error;
      expect(error.code).toBe('PERMISSION_DENIED');
      return { message: error.message, hint: error.hint };
    }
    throw new Error('it was obeyed');
  };

  test('a config file is refused, with its path', async () => {
    await using dir = tempDir();
    mkdirSync(dir.join('a/b'), { recursive: true });
    const path = dir.join('busbar.config.json');
    writeFileSync(path, '{"bus":"redis://evil"}');
    chownSync(path, OTHER, OTHER);
    for (const run of [() => locateIn(dir.join('a/b')), () => locateIn(dir.path, 'team')]) {
      const found = denial(run);
      expect(found.message).toBe(`${path} belongs to another user (uid ${OTHER})`);
      expect(found.hint).toMatch(/--url or MESSAGE_BUS/);
    }
    expect(locateIn(dir.path, undefined, { MESSAGE_BUS: 'memory:' }).url).toBe('memory:');
  });

  test('so is a link that another user made, and a link to the file of another user', async () => {
    await using dir = tempDir();
    writeFileSync(dir.join('own.json'), '{"bus":"memory"}');
    writeFileSync(dir.join('theirs.json'), '{"bus":"memory"}');
    chownSync(dir.join('theirs.json'), OTHER, OTHER);
    const path = dir.join('busbar.config.json');
    symlinkSync('theirs.json', path);
    denial(() => locateIn(dir.path));
    unlinkSync(path);
    symlinkSync('own.json', path);
    expect(locateIn(dir.path).url).toBe('memory:');
    lchownSync(path, OTHER, OTHER);
    denial(() => locateIn(dir.path));
  });

  test('a .busbar folder is refused', async () => {
    await using dir = tempDir();
    mkdirSync(dir.join('a'));
    mkdirSync(dir.join('.busbar'));
    chownSync(dir.join('.busbar'), OTHER, OTHER);
    for (const bus of [undefined, 'sqlite', 'unix', 'zmq', 'ws']) {
      const found = denial(() => locateIn(dir.join('a'), bus));
      expect(found.message).toBe(`${dir.join('.busbar')} belongs to another user (uid ${OTHER})`);
    }
    mkdirSync(dir.join('a/.busbar'));
    expect(locateIn(dir.join('a')).folder?.exists).toBe(true);
  });

  test('a file of tokens is refused', async () => {
    await using sh = shell();
    writeFileSync(sh.dir.join('tokens'), 'x'.repeat(64));
    chownSync(sh.dir.join('tokens'), OTHER, OTHER);
    const { code, stderr } = await sh.run(
      'hub',
      '--listen',
      'unix:./x.sock',
      '--store',
      'memory:',
      '--token-file',
      'tokens',
    );
    expect([code, stderr]).toEqual([
      7,
      expect.stringMatching(/^busbar: the file of --token-file, "tokens", belongs to another user/),
    ]);
  });

  test.each([undefined, 'sqlite'])('a folder that this user may not enter is denied (%s)', async (named) => {
    await using dir = tempDir();
    chmodSync(dir.path, 0o700);
    process.seteuid!(OTHER);
    try {
      expect(() => locateIn(dir.path, named)).toThrow(`this user cannot read ${dir.path}`);
    } finally {
      process.seteuid!(0);
    }
  });

  test('another user trusts its own files and those of root', async () => {
    await using dir = tempDir();
    const path = dir.join('busbar.config.json');
    writeFileSync(path, '{"bus":"memory"}');
    chmodSync(dir.path, 0o755);
    const asOther = (): void => {
      process.seteuid!(OTHER);
      try {
        expect(locateIn(dir.path).url).toBe('memory:');
      } finally {
        process.seteuid!(0);
      }
    };
    asOther();
    chownSync(path, OTHER, OTHER);
    asOther();
  });
});

test.runIf(process.platform !== 'win32')('a config file that every user can write is refused', async () => {
  await using dir = tempDir();
  const path = dir.join('busbar.config.json');
  writeFileSync(path, '{"bus":"memory"}');
  chmodSync(path, 0o666);
  expect(() => locateIn(dir.path)).toThrow(`every user can write to ${path}`);
  chmodSync(path, 0o664);
  expect(locateIn(dir.path).url).toBe('memory:');
});

test.runIf(process.platform !== 'win32')('a config file that is a pipe does not block', async () => {
  await using dir = tempDir();
  execFileSync('mkfifo', [dir.join('busbar.config.json')]);
  expect(refusal(() => locateIn(dir.path)).message).toMatch(/is not a file/);
});

describe('a bad config file', () => {
  test.each([
    ['{\n  "bus": "sqlite"\n  "buses": {}\n}', /busbar\.config\.json:3 is not JSON/],
    ['{\n\n"bus": x }', /busbar\.config\.json:3 is not JSON/],
    ['{ "bus": "sqlite", }', /busbar\.config\.json:1 is not JSON/],
    ['', /busbar\.config\.json:1 is not JSON/],
    ['{\n"bus":\n"sqlite"', /busbar\.config\.json:3 is not JSON/],
    ['// here\n{}', /busbar\.config\.json:1 is not JSON/],
    ['[]', /must be an object, not an array/],
    ['null', /must be an object, not null/],
    ['"sqlite"', /must be an object, not "sqlite"/],
    ['{"bus":1}', /bus must be a string that names a bus, not number/],
    ['{"bus":""}', /bus must be a string that names a bus, not ""/],
    ['{"Bus":"sqlite"}', /has the unknown key "Bus"/],
    ['{"buses":[]}', /buses must be an object, not an array/],
    ['{"buses":{"a":1}}', /buses\.a must be an object, not number/],
    ['{"buses":{"a":{}}}', /buses\.a has no url/],
    ['{"buses":{"a":{"url":1}}}', /buses\.a\.url must be a string that names a bus, not number/],
    ['{"buses":{"a":{"url":"sqlite:x","nss":"y"}}}', /buses\.a has the unknown key "nss"/],
    ['{"buses":{"a":{"url":"sqlite:x","ns":"a b"}}}', /buses\.a\.ns is illegal: "a b"/],
    ['{"buses":{"a":{"url":"sqlite:x","ns":7}}}', /buses\.a\.ns is illegal: number/],
    ['{"buses":{"a b":"sqlite:x"}}', /illegal bus name "a b"/],
    ['{"buses":{"__proto__":"sqlite:x"}}', /illegal bus name "__proto__"/],
    [`{"buses":{"${'a'.repeat(65)}":"sqlite:x"}}`, /illegal bus name/],
    ['{"buses":{"redis":"redis://prod"}}', /a bus cannot have the name "redis"/],
  ])('%s', (text, message) => {
    expect(refusal(() => parseConfig(text, '/p/busbar.config.json')).message).toMatch(message);
  });

  test.each([
    [
      { bus: 'teem', buses: { team: 'memory' } },
      /names an unknown bus: "teem"/,
      /Did you mean team\?.*Configured: team/,
    ],
    [{ bus: 'a', buses: { a: 'b', b: 'memory' } }, /buses\.a names an unknown bus: "b"/, /Use one of/],
    [{ bus: 'a', buses: { a: 'mysql://x' } }, /buses\.a has the unknown scheme "mysql"/, /Use one of/],
    [{ bus: 'a', buses: { a: { url: 'memory:?ns=x', ns: 'y' } } }, /buses\.a has ns twice/, /./],
  ])('%j', async (content, message, hint) => {
    await using dir = tempDir();
    writeFileSync(dir.join('busbar.config.json'), JSON.stringify(content));
    const found = refusal(() => locateIn(dir.path));
    expect(found.message).toMatch(message);
    expect(found.hint).toMatch(hint);
  });

  test('is not read when a URL names the bus', async () => {
    await using dir = tempDir();
    writeFileSync(dir.join('busbar.config.json'), 'broken');
    expect(locateIn(dir.path, 'memory:').url).toBe('memory:');
    expect(refusal(() => locateIn(dir.path, 'team')).message).toMatch(/is not JSON/);
  });
});

describe('variables in a config file', () => {
  const buses = {
    cache: `redis://:\${PASSWORD}@db`,
    whole: `\${WHOLE}`,
    both: `migrate:?from=\${WHOLE}&to=cache`,
    mixed: `migrate:?from=redis%3A%2F%2F%3A\${PASSWORD}%40db&to=sqlite`,
    bad: `redis://\${A B}@db`,
  };
  const env = { PASSWORD: 'a b@%', WHOLE: 'redis://:x%40y@host' };
  const at = async (bus: string, variables: Environment = env): Promise<string> => {
    await using dir = tempDir();
    writeFileSync(dir.join('busbar.config.json'), JSON.stringify({ bus, buses }));
    return locateIn(dir.path, undefined, variables).url;
  };

  test('are escaped unless they are the whole value', async () => {
    expect(await at('cache')).toBe('redis://:a%20b%40%25@db');
    expect(await at('whole')).toBe(env.WHOLE);
    expect(await at(`\${WHOLE}`)).toBe(env.WHOLE);
    const parts = new URLSearchParams((await at('both')).split('?')[1]);
    expect(Object.fromEntries(parts)).toEqual({ from: env.WHOLE, to: 'redis://:a%20b%40%25@db' });
  });

  test.each([
    ['cache', {}, 'needs the environment variable PASSWORD'],
    ['cache', { PASSWORD: '' }, 'needs the environment variable PASSWORD'],
    ['mixed', env, 'has a variable inside an inner URL'],
    ['bad', env, 'has an illegal variable'],
  ])('%s with %j is refused: it %s', async (bus, variables, text) => {
    await expect(at(bus, variables)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(text),
    });
  });
});

test('a bus that is made of itself is refused', async () => {
  await using dir = tempDir();
  const buses = { a: 'migrate:?from=b&to=sqlite', b: 'migrate:?from=redis&to=a' };
  writeFileSync(dir.join('busbar.config.json'), JSON.stringify({ bus: 'a', buses }));
  expect(refusal(() => locateIn(dir.path)).message).toContain('buses.a contains itself: a > b > a');
});

test('the published schema has the keys and patterns of the parser', () => {
  const schema = JSON.parse(readFileSync(new URL('../busbar.config.schema.json', import.meta.url), 'utf8'));
  const { properties } = schema;
  const refused = (config: unknown): string => refusal(() => parseConfig(JSON.stringify(config), 'f')).hint;
  expect(refused({ x: 1 })).toContain(Object.keys(properties).join(', '));
  const [, bus] = properties.buses.additionalProperties.oneOf;
  expect(refused({ buses: { a: {} } })).toContain(Object.keys(bus.properties).join(', '));
  expect(refused({ buses: { 'a b': 'sqlite' } })).toContain(properties.buses.propertyNames.pattern.slice(1, -1));
  const ns = new RegExp(bus.properties.ns.pattern);
  for (const text of ['team', 'a.b/c+~', '', 'a b', 'x'.repeat(65)]) {
    const parse = (): unknown => parseConfig(JSON.stringify({ buses: { a: { url: 'sqlite', ns: text } } }), 'f');
    if (ns.test(text)) parse();
    else refusal(parse);
  }
});
