// What goes wrong around a command: its reader, its wrapper, files of others, handlers that throw, modes of files.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { onEachBus } from './buses.ts';
import { bin, shell } from './shell.ts';

onEachBus((open) => {
  test('a request to a handler that throws says what was thrown', async () => {
    await using project = await open();
    const agent = await project.bus.agent('@h');
    const thrown: Record<string, unknown> = {
      error: new TypeError('no such file'),
      text: 'just text',
      object: { code: 7 },
    };
    agent.handle('*', ({ type = '' }) => {
      throw thrown[type];
    });
    for (const [type, message] of [
      ['error', 'no such file'],
      ['text', 'just text'],
      ['object', '{"code":7}'],
      ['none', 'undefined'],
    ]) {
      const { code, stdout, stderr } = await project.run('request', '@h', '1', '--type', type ?? '', '--live');
      expect({ code, stdout, stderr }).toEqual({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(`^busbar: the handler of @h failed: ${message}\n`),
      });
    }
  });
});

test.each([
  'unix:?connectTimeoutMs=60000',
  'audit:?of=redis',
  'hybrid:?fast=redis&durable=sqlite',
  'migrate:?from=redis&to=sqlite',
])('--timeout bounds opening: %s', async (pattern) => {
  await using sh = shell();
  const server = createServer(() => undefined);
  mkdirSync(sh.dir.join('.busbar'), { mode: 0o700 });
  const isUnix = pattern.startsWith('unix');
  server.listen(isUnix ? sh.dir.join('.busbar/bus.sock') : 0);
  await once(server, 'listening');
  const port = isUnix ? 0 : (server.address() as AddressInfo).port;
  const url = pattern.replace('=redis', `=${encodeURIComponent(`redis://127.0.0.1:${port}`)}`);
  if (isUnix) {
    chmodSync(sh.dir.join('.busbar/bus.sock'), 0o600);
    writeFileSync(sh.dir.join('.busbar/bus.sock.token'), 'x'.repeat(32), { mode: 0o600 });
  }
  const began = performance.now();
  const { code, stderr } = await sh.run('register', '@a', '--url', url, '--timeout', '400ms');
  server.close();
  expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringMatching(/did not open within 400 ms/) });
  expect(performance.now() - began).toBeLessThan(10_000);
});

describe('something else in the place of a file', () => {
  test.each([
    ['unix', 'bus.sock', /^busbar: "\S+bus\.sock" exists and is not a socket\nhint: Move it away/],
    ['ws', 'bus.ws', /^busbar: "\S+bus\.ws" does not name the endpoint of a hub\nhint: Move it away/],
    ['zmq', 'bus.zmq', /^busbar: "\S+bus\.zmq" exists and is not a socket\nhint: Move it away/],
  ])('%s: %s is named, with what to do', async (url, name, message) => {
    await using sh = shell();
    mkdirSync(sh.dir.join('.busbar'), { mode: 0o700 });
    writeFileSync(sh.dir.join('.busbar', name), 'junk', { mode: 0o600 });
    const { code, stdout, stderr } = await sh.run('register', '@a', '--url', url);
    expect({ code, stdout, stderr }).toEqual({ code: 7, stdout: '', stderr: expect.stringMatching(message) });
    rmSync(sh.dir.join('.busbar', name));
    expect((await sh.run('register', '@a', '--url', url)).code).toBe(0);
    await sh.run('hub', 'stop', '--url', url);
  });
});

test('a command ends with the process that started it for another Node', async () => {
  await using sh = shell();
  const child = spawn(process.execPath, [bin, 'hub', '--listen', 'unix:./x.sock', '--store', 'memory:'], {
    cwd: sh.dir.path,
    env: { ...process.env, BUSBAR_WRAPPER: '1', MESSAGE_BUS: undefined },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  await waitFor(() => existsSync(sh.dir.join('x.sock')), { what: 'the hub to listen', timeoutMs: 15_000 });
  child.disconnect();
  const [code] = await once(child, 'exit');
  expect([code, existsSync(sh.dir.join('x.sock'))]).toEqual([129, false]);
});

describe('doctor', () => {
  test('--fix mends modes and .gitignore, and nothing without it', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    const folder = sh.dir.join('.busbar');
    const modes = (): number[] => [folder, `${folder}/bus.db`].map((path) => statSync(path).mode & 0o777);
    rmSync(`${folder}/.gitignore`);
    chmodSync(`${folder}/bus.db`, 0o644);
    chmodSync(folder, 0o777);
    const before = await sh.run('doctor', '--json');
    expect(JSON.parse(before.stdout)).toMatchObject({ ok: false });
    expect(modes()).toEqual([0o777, 0o644]);
    const fixed = await sh.run('doctor', '--fix');
    expect(fixed).toMatchObject({ code: 0, stderr: '' });
    expect(fixed.stdout.match(/^ok .*mended: /gm)).toHaveLength(3);
    expect([modes(), existsSync(`${folder}/.gitignore`)]).toEqual([[0o755, 0o600], true]);
    expect((await sh.run('doctor')).stdout).not.toMatch(/^(warn|fail)/m);
    expect(await sh.run('doctor', 'x')).toMatchObject({ code: 2 });
  });

  test('names other stores nearby that hold messages', async () => {
    await using sh = shell();
    mkdirSync(sh.dir.join('sub/.busbar'), { recursive: true, mode: 0o700 });
    await sh.use({ args: ['send', '@a', '1', '--create-inbox'], cwd: sh.dir.join('sub') });
    for (const folder of ['packages/app', 'a/b/c', 'node_modules/x']) {
      mkdirSync(sh.dir.join(`${folder}/.busbar`), { recursive: true, mode: 0o700 });
      await sh.use({ args: ['send', '@a', '1', '--create-inbox'], cwd: sh.dir.join(folder) });
    }
    await sh.out('register', '@a');
    const { code, stdout } = await sh.use({ args: ['doctor'], env: { HOME: '/nowhere' } });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^warn +nearby +\S+sub\/\.busbar\/bus\.db holds 1 message: another bus than this one\n +hint: busbar stats --url sqlite:/m,
    );
    expect(stdout).toMatch(/ \S+packages\/app\/\.busbar\/bus\.db holds 1 message/);
    expect(stdout).not.toMatch(/a\/b\/c|node_modules/);
  });
});

describe.runIf(process.platform === 'linux')('a command whose output is closed ends by itself', () => {
  test.concurrent.each([
    [['recv', '@a', '--wait'], 'pipe'],
    [['tail'], 'pipe'],
    [['logs', '@a', '-f'], 'pipe'],
    [['queues', '--watch=60s'], 'pipe'],
    [['task', 'take', 'q', '--wait'], 'pipe'],
    [['sub', 't', '--durable', 'd', '-q'], 'pipe'],
    [['sub', 't', '--durable', 'd', '-q'], 'socket'],
    [['recv', '@a', '--wait'], 'socket'],
    [['tail'], 'socket'],
  ])('%j to a %s', { timeout: 30_000 }, async (args, kind) => {
    await using sh = shell();
    await sh.out('register', '@a');
    if (kind === 'socket') {
      const running = sh.start({ args });
      running.child.stdout?.destroy();
      expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
      return;
    }
    const line = `"$0" ${bin} ${args.join(' ')} 2>err | sleep 1; echo "\${PIPESTATUS[0]}"; cat err`;
    const shellEnv = { ...process.env, MESSAGE_BUS: undefined, NODE_OPTIONS: undefined };
    const child = spawn('bash', ['-c', line, process.execPath], { cwd: sh.dir.path, env: shellEnv });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (some: string) => (text += some));
    await once(child, 'close');
    expect(text).toBe('0\n');
  });

  test.concurrent('and one with a slow reader goes on', { timeout: 30_000 }, async ({ expect }) => {
    await using sh = shell();
    await sh.out('register', '@a');
    const line = `"$0" ${bin} recv @a --wait | cat`;
    const shellEnv = { ...process.env, MESSAGE_BUS: undefined, NODE_OPTIONS: undefined };
    const child = spawn('bash', ['-c', line, process.execPath], { cwd: sh.dir.path, env: shellEnv });
    const closed = once(child, 'close');
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (some: string) => (text += some));
    await expect.poll(async () => (await sh.json('agents'))[0]?.['state'], { timeout: 15_000 }).toBe('online');
    // Long enough for some looks of the probe.
    for (let look = 0; look < 8; look += 1) expect((await sh.json('agents'))[0]?.['state']).toBe('online');
    await sh.out('send', '@a', 'still read');
    await closed;
    expect(text).toContain('still read');
  });
});
