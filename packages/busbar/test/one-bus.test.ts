// One bus, found: git worktrees share it, verbs that look create nothing, and `where` says which bus it is.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { needServer, startRedis, tempDir } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { findRepository } from '../src/config/git-repository.ts';
import { type Environment, locateBus } from '../src/config/locate-bus.ts';
import { type Shell, shell } from './shell.ts';

const locateIn = (cwd: string, named?: string, env: Environment = {}): string =>
  locateBus(named, '--url', env, cwd).url;

const IDENTITY = ['-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'protocol.file.allow=always'];

function git(cwd: string, ...args: string[]): string {
  return execFileSync('git', [...IDENTITY, ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim();
}

function makeRepository(path: string): string {
  mkdirSync(path, { recursive: true });
  git(path, 'init', '-q');
  git(path, 'commit', '-q', '--allow-empty', '-m', 'first');
  return realpathSync(path);
}

describe('a linked worktree of git', () => {
  test('shares the bus of the main one, whichever was used first', async () => {
    await using dir = tempDir();
    const main = makeRepository(dir.join('main'));
    git(main, 'worktree', 'add', '-q', '../linked');
    mkdirSync(dir.join('linked/src/deep'), { recursive: true });
    const bus = `sqlite:${main}/.busbar/bus.db`;
    for (const folder of ['main', 'linked', 'linked/src/deep']) expect(locateIn(dir.join(folder))).toBe(bus);
    mkdirSync(join(main, '.busbar'));
    expect(locateIn(dir.join('linked/src/deep'))).toBe(bus);
    expect(locateIn(dir.join('linked'), 'unix')).toBe(`unix:${main}/.busbar/bus.sock`);
    expect(findRepository(dir.join('linked'))).toEqual({ root: realpathSync(dir.join('linked')), shared: main });
  });

  test('has its own with a .busbar folder in it, and one above it does not count', async () => {
    await using dir = tempDir();
    const main = makeRepository(dir.join('main'));
    git(main, 'worktree', 'add', '-q', '../trees/linked');
    mkdirSync(dir.join('trees/.busbar'));
    expect(locateIn(dir.join('trees/linked'))).toBe(`sqlite:${main}/.busbar/bus.db`);
    mkdirSync(dir.join('trees/linked/.busbar'));
    expect(locateIn(dir.join('trees/linked'))).toBe(`sqlite:${dir.join('trees/linked')}/.busbar/bus.db`);
  });

  test('takes relative paths of its config file as the main one takes them', async () => {
    await using dir = tempDir();
    const main = makeRepository(dir.join('main'));
    mkdirSync(join(main, 'sub'));
    writeFileSync(join(main, 'sub/busbar.config.json'), '{"bus":"team","buses":{"team":"sqlite:./team.db"}}');
    git(main, 'add', '-f', '.');
    git(main, 'commit', '-q', '-m', 'config');
    git(main, 'worktree', 'add', '-q', '../linked');
    expect(locateIn(dir.join('linked/sub'))).toBe(`sqlite:${main}/sub/team.db`);
    rmSync(dir.join('linked/sub/busbar.config.json'));
    writeFileSync(join(main, 'busbar.config.json'), '{"bus":"sqlite:./root.db"}');
    expect(locateIn(dir.join('linked/sub'))).toBe(`sqlite:${main}/root.db`);
  });

  test('of a bare repository uses the folder that all worktrees share', async () => {
    await using dir = tempDir();
    const source = makeRepository(dir.join('source'));
    git(dir.path, 'clone', '-q', '--bare', source, 'project/.bare');
    for (const name of ['one', 'two'])
      git(dir.join('project/.bare'), 'worktree', 'add', '-q', '-b', name, `../${name}`);
    const bus = `sqlite:${realpathSync(dir.join('project/.bare'))}/.busbar/bus.db`;
    expect(locateIn(dir.join('project/one'))).toBe(bus);
    expect(locateIn(dir.join('project/two'))).toBe(bus);
  });

  test('of a submodule shares the bus of the submodule', async () => {
    await using dir = tempDir();
    const part = makeRepository(dir.join('part'));
    const whole = makeRepository(dir.join('whole'));
    git(whole, 'submodule', '--quiet', 'add', part, 'part');
    git(join(whole, 'part'), 'worktree', 'add', '-q', dir.join('linked'));
    const bus = `sqlite:${whole}/part/.busbar/bus.db`;
    expect(locateIn(join(whole, 'part'))).toBe(bus);
    expect(locateIn(dir.join('linked'))).toBe(bus);
    expect(git(dir.join('linked'), 'rev-parse', '--git-common-dir')).toBe(`${whole}/.git/modules/part`);
  });

  test.each(['gitdir: /nowhere/.git/worktrees/x\n', 'gitdir:\n', '', 'junk'])(
    'whose repository is gone uses its own folder: %j',
    async (content) => {
      await using dir = tempDir();
      mkdirSync(dir.join('a/b'), { recursive: true });
      writeFileSync(dir.join('a/.git'), content);
      expect(locateIn(dir.join('a/b'))).toBe(`sqlite:${dir.path}/a/.busbar/bus.db`);
    },
  );

  test.runIf(process.geteuid?.() === 0)('is refused if its .git file belongs to another user', async () => {
    await using dir = tempDir();
    writeFileSync(dir.join('.git'), 'gitdir: /root/repo/.git/worktrees/x');
    chownSync(dir.join('.git'), 12_345, 12_345);
    expect(() => locateIn(dir.path)).toThrow(/\.git belongs to another user \(uid 12345\)/);
    expect(locateIn(dir.path, 'memory:')).toBe('memory:');
  });
});

describe('HOME', () => {
  test('starts paths with ~, and without it the home folder of the user', async () => {
    await using dir = tempDir();
    const own = userInfo().homedir;
    expect(locateIn(dir.path, 'sqlite:~/t.db', { HOME: '/home/x' })).toBe('sqlite:/home/x/t.db');
    for (const env of [{}, { HOME: '' }]) expect(locateIn(dir.path, 'sqlite:~/t.db', env)).toBe(`sqlite:${own}/t.db`);
    expect(() => locateIn(dir.path, 'sqlite:~/t.db', { HOME: 'x' })).toThrow(/HOME is not an absolute path/);
  });

  test('is not needed for the bus of a project, as under cron', async () => {
    await using sh = shell();
    const env = { HOME: undefined, PATH: '/usr/bin:/bin', SHELL: '/bin/sh', LOGNAME: undefined, USER: undefined };
    expect(await sh.use({ args: ['register', '@a'], env })).toMatchObject({ code: 0, stdout: '@a\n' });
    expect(await sh.use({ args: ['recv', '@a'], env })).toMatchObject({ code: 4 });
    expect(readdirSync(sh.dir.path)).toEqual(['.busbar']);
  });
});

test('a new bus in / is refused', async () => {
  await using sh = shell();
  const { code, stderr } = await sh.use({ args: ['register', '@a'], cwd: '/' });
  expect(existsSync('/.busbar')).toBe(false);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(/no project here.*\nhint: .*MESSAGE_BUS/),
  });
});

/** Commands in one project over one backend. */
async function at(sh: Shell, MESSAGE_BUS: string | undefined, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await sh.use({ args, env: { MESSAGE_BUS } });
  expect({ args, code, stderr }).toMatchObject({ code: 0 });
  return stdout;
}

test('sqlite, unix, zmq and ws of one project are one store', { timeout: 60_000 }, async () => {
  await using sh = shell();
  await at(sh, undefined, 'register', '@a');
  for (const way of ['unix', 'zmq', 'ws']) {
    await at(sh, way, 'send', '@a', `"by ${way}"`);
    expect(await at(sh, 'sqlite', 'recv', '@a', '--ack', 'auto')).toContain(`by ${way}`);
    await at(sh, 'sqlite', 'send', '@a', `"to ${way}"`);
    expect(await at(sh, way, 'recv', '@a', '--ack', 'auto')).toContain(`to ${way}`);
    await at(sh, way, 'hub', 'stop');
  }
  expect(readdirSync(sh.dir.join('.busbar')).filter((name) => name.endsWith('.db'))).toEqual(['bus.db']);
});

describe('a new bus', () => {
  test.each([
    ['register', '@a'],
    ['publish', 't', '1'],
    ['task', 'add', 'q', '1'],
    ['send', '@a', '1', '--create-inbox'],
  ])('is reported once: %s', async (...args) => {
    await using sh = shell();
    const made = `busbar: made a new bus at sqlite:${sh.dir.path}/.busbar/bus.db\n`;
    expect((await sh.run(...args)).stderr).toContain(made);
    expect((await sh.run(...args)).stderr).not.toContain('made a new bus');
    await using quiet = shell();
    expect((await quiet.run(...args, '--json')).stderr).not.toContain('made a new bus');
  });

  test('by a hub', async () => {
    await using sh = shell();
    const { stderr } = await sh.run('register', '@a', '--url', 'unix');
    expect(stderr).toContain(`busbar: made a new bus at unix:${sh.dir.path}/.busbar/bus.sock\n`);
    expect((await sh.run('agents', '--url', 'unix')).stderr).toBe('');
    expect((await sh.run('hub', 'stop', '--url', 'unix')).code).toBe(0);
  });

  test('is not reported for a server', async ({ skip }) => {
    needServer('redis-server', skip);
    await using redis = await startRedis();
    await using sh = shell();
    const { code, stderr } = await sh.run('register', '@a', '--url', redis.url);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'busbar: registered; leases last 10m\n' });
  });
});

describe('where', () => {
  interface Where {
    readonly url: string;
    readonly origin: string;
    readonly exists: boolean | null;
    readonly file: string | null;
    readonly messages: number;
    readonly worktree: { readonly root: string; readonly shared: string } | null;
    readonly nearby: readonly { readonly file: string; readonly messages: number; readonly dead: number }[];
  }
  const where = async (sh: Shell, ...args: string[]): Promise<Where> =>
    (await sh.json<Where>('where', ...args))[0] as Where;

  test('says which bus and why, and creates nothing', async () => {
    await using sh = shell();
    const file = sh.dir.join('.busbar/bus.db');
    const common = { exists: false, messages: 0, dead: 0, worktree: null, nearby: [] };
    expect(await where(sh)).toEqual({ ...common, url: `sqlite:${file}`, origin: 'default', file });
    expect(await where(sh, '--url', 'unix')).toMatchObject({
      url: expect.stringMatching(/^unix:/),
      origin: '--url',
      file,
    });
    const byVariable = await sh.use({ args: ['where'], env: { MESSAGE_BUS: 'redis://:hunter2@10.0.0.1/0' } });
    expect(byVariable.stdout).toBe(
      'bus       redis://***@10.0.0.1/0\nwhy       named by MESSAGE_BUS\nstate     not asked; busbar doctor opens it\n',
    );
    expect(readdirSync(sh.dir.path)).toEqual([]);
    const config = sh.dir.join('busbar.config.json');
    writeFileSync(config, '{"bus":"team","buses":{"team":"sqlite:./team.db"}}');
    expect(await where(sh)).toMatchObject({ url: `sqlite:${sh.dir.join('team.db')}`, origin: config });
    expect(await sh.out('where')).toContain(`named by ${config}`);
    expect((await sh.run('where', '--url', 'tean')).code).toBe(2);
    expect((await sh.run('where', 'x')).code).toBe(2);
  });

  test('counts the messages of the bus, and names other stores that hold some', async () => {
    await using sh = shell();
    const main = makeRepository(sh.dir.join('main'));
    git(main, 'worktree', 'add', '-q', '../linked');
    const cwd = sh.dir.join('linked');
    mkdirSync(join(cwd, 'sub/.busbar'), { recursive: true });
    for (const [folder, env] of [
      ['main', {}],
      ['linked/sub', {}],
      ['main', { MESSAGE_BUS: 'sqlite:./bus.db?ns=team' }],
    ] as const) {
      const sent = await sh.use({ args: ['send', '@a', '1', '--create-inbox'], cwd: sh.dir.join(folder), env });
      expect(sent.code).toBe(0);
    }
    const seen = await sh.use({ args: ['where', '--json'], cwd, env: { HOME: '/nowhere' } });
    const found = JSON.parse(seen.stdout) as Where;
    expect(found).toMatchObject({ exists: true, messages: 1, worktree: { root: cwd, shared: main } });
    expect(found.nearby).toEqual([
      { file: join(cwd, 'sub/.busbar/bus.db'), messages: 1, dead: 0, namespaces: [] },
      { file: join(main, 'bus.db'), messages: 1, dead: 0, namespaces: ['team'] },
    ]);
    const text = (await sh.use({ args: ['where'], cwd, env: { HOME: '/nowhere' } })).stdout;
    expect(text).toMatch(/^worktree {2}\S+linked shares the bus of \S+main$/m);
    expect(text).toMatch(/^nearby {4}1 message: --url sqlite:\S+linked\/sub\/\.busbar\/bus\.db$/m);
    const folders = [join(main, '.busbar'), join(cwd, 'sub/.busbar')];
    for (const folder of folders) expect(readdirSync(folder).filter((name) => /-(wal|shm)$/.test(name))).toEqual([]);
  });

  test('reads no store of another program, and none that is locked for long', async () => {
    await using sh = shell();
    mkdirSync(sh.dir.join('.busbar'));
    writeFileSync(sh.dir.join('.busbar/notes.db'), 'no database');
    mkdirSync(sh.dir.join('.busbar/folder.db'));
    const { code, stdout, stderr } = await sh.use({ args: ['where', '--json'], env: { HOME: '/nowhere' } });
    expect({ code, stderr, nearby: (JSON.parse(stdout) as Where).nearby }).toEqual({ code: 0, stderr: '', nearby: [] });
  });
});

describe.runIf(process.geteuid?.() === 0)('the folder of another user', () => {
  test('is refused with exit 7, and with how to share a bus', async () => {
    await using sh = shell();
    mkdirSync(sh.dir.join('.busbar'));
    chownSync(sh.dir.join('.busbar'), 12_345, 12_345);
    const { code, stdout, stderr } = await sh.run('agents');
    expect({ code, stdout }).toEqual({ code: 7, stdout: '' });
    expect(stderr).toMatch(
      /\.busbar belongs to another user \(uid 12345\)\nhint: .*busbar hub --listen ws:.*--token-file/,
    );
  });

  test('is refused also where it belongs to root, and is no missing bus', async () => {
    await using dir = tempDir('busbar-cli');
    mkdirSync(dir.join('.busbar'), { mode: 0o700 });
    chmodSync(dir.path, 0o755);
    try {
      process.seteuid!(12_345);
      expect(() => locateIn(dir.path)).toThrow(/this user may not enter .*\.busbar/);
    } finally {
      process.seteuid!(0);
    }
  });
});
