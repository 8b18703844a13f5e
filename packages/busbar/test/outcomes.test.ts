// Failures of the environment: a locked, denied, missing or broken store. And the modules that start-up loads.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test, vi } from 'vitest';
import { bin, type Shell, shell } from './shell.ts';

const preload = (name: string): { NODE_OPTIONS: string } => ({
  NODE_OPTIONS: `--import=${new URL(`./programs/${name}.ts`, import.meta.url).href}`,
});

test.concurrent('a store locked by another process is unavailable (69)', async () => {
  await using sh = shell();
  await sh.out('register', '@a');
  using other = new DatabaseSync(sh.dir.join('.busbar/bus.db'));
  other.exec('BEGIN EXCLUSIVE');
  const { code, stdout, stderr } = await sh.run('send', '@a', 'x', '--timeout', '300ms', '--json');
  expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'UNAVAILABLE', hint: expect.any(String) } });
});

test.concurrent.each([
  ['redis', ['agents']],
  ['redis', ['stats']],
  ['nats', ['recv', '@a', '--wait']],
  ['nats', ['tail']],
  ['ws', ['send', '@a', 'x']],
  ['ws', ['hub', 'status']],
  ['ws', ['hub', 'stop']],
  ['ws', ['conformance', '--only', 'Q1']],
])('--timeout bounds opening: %s %j', async (scheme, args) => {
  await using sh = shell();
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const began = performance.now();
  const { code, stderr } = await sh.run(...args, '--url', `${scheme}://127.0.0.1:${port}`, '--timeout', '400ms');
  expect(performance.now() - began).toBeLessThan(8_000);
  server.close();
  expect({ code, stderr }).toEqual({
    code: 4,
    stderr: expect.stringMatching(/did not open within 400 ms\nhint: .*--timeout/),
  });
});

test.concurrent('Ctrl-C ends a command that opens', async () => {
  await using sh = shell();
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const opening = sh.start({ args: ['agents', '--url', `nats://127.0.0.1:${port}?connectTimeoutMs=60000`] });
  await once(server, 'connection');
  opening.child.kill('SIGINT');
  expect((await opening.ended).code).toBe(130);
  server.close();
});

describe.runIf(process.platform === 'linux')('without its parent process', () => {
  /** Starts a command below another process, kills that, and resolves when the command has ended. */
  const orphan = async (sh: Shell, args: readonly string[], ready: () => Promise<boolean>): Promise<void> => {
    const quoted = [process.execPath, bin, ...args].map((word) => `'${word}'`).join(' ');
    const script = `${quoted} > out.txt 2> err.txt & echo $!; wait`;
    const env = { ...process.env, MESSAGE_BUS: undefined, BUSBAR_AGENT: undefined };
    const parent = spawn('sh', ['-c', script], { cwd: sh.dir.path, env, stdio: ['ignore', 'pipe', 'ignore'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    try {
      await vi.waitFor(async () => expect(await ready()).toBe(true), { timeout: 10_000 });
      parent.kill('SIGKILL');
      await vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), { timeout: 10_000 });
    } finally {
      if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
    }
  };

  test.concurrent('recv --wait ends and takes no message', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    await vi.waitFor(async () => expect((await sh.json('agents'))[0]?.['online']).toBe(false), {
      timeout: 15_000,
    });
    const isWaiting = async (): Promise<boolean> => (await sh.json('agents'))[0]?.['online'] === true;
    await orphan(sh, ['recv', '@a', '--wait', '--json'], isWaiting);
    await sh.out('send', '@a', 'x');
    expect(await sh.json('agents')).toMatchObject([{ inbox: { ready: 1, held: 0 } }]);
    expect(readFileSync(sh.dir.join('out.txt'), 'utf8')).toBe('');
  });

  test.concurrent('request and task add --wait end', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    const holds = async (): Promise<boolean> => (await sh.json('task', 'ls', '@a')).length === 1;
    await orphan(sh, ['request', '@a', 'x', '--wait', '10m'], holds);
    const queued = async (): Promise<boolean> => (await sh.run('task', 'ls', 'q')).code === 0;
    await orphan(sh, ['task', 'add', 'q', '1', '--wait'], queued);
  });
});

test.concurrent('a missing package is named with the command that installs it (69)', async () => {
  await using sh = shell();
  const { code, stderr } = await sh.use({ args: ['agents', '--url', 'sqlite:x.db'], env: preload('without-sqlite') });
  expect(code).toBe(69);
  expect(stderr).toBe(
    'busbar: the package @busbar/transport-sqlite is not installed\nhint: npm install @busbar/transport-sqlite\n',
  );
});

test.concurrent.each(['redis', 'nats'])('a silent server is unavailable (69): %s', async (scheme) => {
  await using sh = shell();
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { code, stderr } = await sh.run('agents', '--url', `${scheme}://127.0.0.1:${port}?connectTimeoutMs=500`);
  server.close();
  expect({ code, stderr }).toEqual({ code: 69, stderr: expect.stringMatching(/^busbar: .*\nhint: /) });
});

test.concurrent.each(['redis', 'nats'])('--wait-for-server waits for a server that is away: %s', async (scheme) => {
  await using sh = shell();
  const url = `${scheme}://127.0.0.1:1`;
  const waited = await sh.run('agents', '--url', url, '--wait-for-server', '300ms', '--json');
  expect([waited.code, JSON.parse(waited.stderr).error.code]).toEqual([69, 'UNAVAILABLE']);
  const refused = await sh.run('agents', '--url', url, '--wait-for-server', 'soon');
  expect(refused.code).toBe(2);
});

test.concurrent('--wait-for-server concerns no store without a server', async () => {
  await using sh = shell();
  const { code } = await sh.run('agents', '--url', 'memory:', '--wait-for-server', '1s');
  expect(code).toBe(0);
});

test.skipIf(process.getuid?.() === 0)('a folder that may not be written is denied (7)', async () => {
  await using sh = shell();
  mkdirSync(sh.dir.join('locked'));
  chmodSync(sh.dir.join('locked'), 0o500);
  const { code, stderr } = await sh.use({ args: ['agents'], cwd: sh.dir.join('locked') });
  chmodSync(sh.dir.join('locked'), 0o700);
  expect(code).toBe(7);
  expect(stderr).toMatch(/cannot make .*: EACCES\nhint: /);
});

test.concurrent('a full inbox refuses (5)', async () => {
  await using sh = shell();
  const url = 'memory:?maxLength=1';
  const input = '{"to":"@a","create-inbox":true}\n{"to":"@a","create-inbox":true}\n';
  const { code, stdout, stderr } = await sh.use({ args: ['send', '--jsonl', '--url', url], input });
  expect(stdout.trim().split('\n')).toHaveLength(1);
  expect(stderr).toMatch(/^busbar: line 2: /m);
  expect(code).toBe(5);
});

test.concurrent('a stack is shown with BUSBAR_DEBUG only', async () => {
  await using sh = shell();
  expect((await sh.run('logs', '@missing')).stderr).not.toMatch(/\n\s+at /);
  const { stderr } = await sh.use({ args: ['logs', '@missing'], env: { BUSBAR_DEBUG: '1' } });
  expect(stderr).toMatch(/^busbar: @missing has no mailbox\nhint: .*\nBusbarError: .*\n\s+at /);
});

test.concurrent('a pipe has no colours unless they are forced', async () => {
  await using sh = shell();
  await sh.out('register', '@a');
  expect(await sh.out('agents')).not.toContain('\u001b');
  const forced = await sh.use({ args: ['agents'], env: { FORCE_COLOR: '1' } });
  expect(forced.stdout).toContain('\u001b[1m');
  expect(forced.stdout).toContain('\u001b[2maway\u001b[22m');
  const refused = await sh.use({ args: ['agents', '--no-color'], env: { FORCE_COLOR: '1' } });
  expect(refused.stdout).not.toContain('\u001b');
});

test.concurrent('sending one message loads few modules', async () => {
  await using sh = shell();
  await sh.out('register', '@a');
  const { code, stderr } = await sh.use({ args: ['send', '@a', 'x'], env: preload('count-modules') });
  expect(code).toBe(0);
  const loaded = JSON.parse(stderr) as string[];
  // Each module costs about half a millisecond before anything is done.
  expect(loaded.filter((name) => name.startsWith('api/src/bus/'))).toEqual([]);
  expect(loaded.filter((name) => /^busbar\/src\/cli\/(help|failure|commands\/(?!send))/.test(name))).toEqual([]);
  expect(loaded.filter((name) => name.startsWith('busbar/')).length).toBeLessThanOrEqual(28);
});
