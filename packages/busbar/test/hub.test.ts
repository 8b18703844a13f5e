// Hubs in a shell: started by hand or by the first command, shown and stopped.
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { waitFor } from '@busbar/testbed';
import { expect, test } from 'vitest';
import { shell } from './shell.ts';

const unix = { MESSAGE_BUS: 'unix:./bus.sock?idleMs=2000' };

test.concurrent('the first command starts a hub, later ones use it, and stop ends it', async () => {
  await using sh = shell();
  const run = (...args: string[]) => sh.use({ args, env: unix });
  await run('register', '@a');
  await run('send', '@a', '{"x":1}');
  const [status] = JSON.parse(`[${(await run('hub', 'status', '--json')).stdout}]`);
  expect(status).toMatchObject({ store: 'sqlite', addresses: [`unix:${sh.dir.join('bus.sock')}`] });
  expect((await run('hub', 'status')).stdout).toMatch(/^process \d+, store sqlite, 0 clients, up \S+\nunix:/);
  expect((await run('recv', '@a')).stdout).toContain('{"x":1}');
  expect(await run('hub', 'stop')).toMatchObject({ code: 0, stderr: 'busbar: the hub has ended\n' });
  expect(existsSync(sh.dir.join('bus.sock'))).toBe(false);
  expect(await run('hub', 'stop')).toMatchObject({ code: 69, stderr: 'busbar: no hub is running\n' });
  expect(await run('hub', 'status')).toMatchObject({ code: 69, stderr: expect.stringContaining('no hub') });
});

test.concurrent('a hub started by hand serves any store on several links until it is interrupted', async () => {
  await using sh = shell();
  const hub = sh.start({
    args: ['hub', '--store', 'memory:', '--listen', 'unix:./a.sock', '--listen', 'unix:./b.sock', '--json'],
  });
  await hub.printed('a.sock');
  const at = (socket: string, ...args: string[]) => sh.use({ args, env: { MESSAGE_BUS: `unix:./${socket}` } });
  await at('a.sock', 'register', '@a');
  await at('a.sock', 'send', '@a', '"over a"');
  expect((await at('b.sock', 'recv', '@a')).stdout).toContain('over a');
  hub.child.kill('SIGINT');
  expect((await hub.ended).code).toBe(130);
  expect(['a.sock', 'b.sock', 'a.sock.lock', 'b.sock.token'].filter((name) => existsSync(sh.dir.join(name)))).toEqual(
    [],
  );
});

test.concurrent('unix without a path uses the folder of the project', async () => {
  await using sh = shell();
  await sh.use({ args: ['register', '@a'], env: { MESSAGE_BUS: 'unix' } });
  expect(statSync(sh.dir.join('.busbar')).mode & 0o777).toBe(0o700);
  expect(existsSync(sh.dir.join('.busbar/.gitignore'))).toBe(true);
  expect(existsSync(sh.dir.join('.busbar/bus.db'))).toBe(true);
  expect((await sh.run('hub', 'stop', '--url', 'unix')).code).toBe(0);
  await waitFor(() => !existsSync(sh.dir.join('.busbar/bus.sock')), { what: 'the socket to go' });
});

test.concurrent.each([
  [['hub', 'sotp'], /unknown action "sotp"\nhint: Use status or stop/],
  [['hub', '--listen', 'sqlite:./x.db'], /is not the URL of a hub/],
  [['hub', '--listen', 'unix:'.padEnd(120, 'x')], /limit is 103/],
  [['hub', '--listen', 'unix:./x', '--store', 'sqlit:./x'], /unknown scheme "sqlit"/],
  [['hub', '--listen', 'unix:./x', '--store', 'unix:./x'], /its own store/],
  [['hub', '--listen', 'unix:./x', '--store', 'sqlite:./x.db?colour=red'], /no parameter "colour"/],
  [['hub', '--listen', 'unix:./x', '--token-file', './none'], /cannot read the file of --token-file/],
  [['hub', '--listen', 'unix:./x', '--token-file', './empty'], /has no token/],
  [['hub', '--listen', 'unix:./x', '--token-file', './short'], /a token is too short/],
  [['hub', '--listen', 'unix:./x', '--token-file', './words'], /more than two words/],
  [['hub', '--listen', 'unix:./x', '--idle', '1ms'], /idle/],
  [['hub', 'status', '--url', 'sqlite:./x.db'], /is not the URL of a hub/],
])('%j is refused', async (args, why) => {
  await using sh = shell();
  writeFileSync(sh.dir.join('empty'), '# none\n');
  writeFileSync(sh.dir.join('short'), 'hunter2\n');
  writeFileSync(sh.dir.join('words'), `${'x'.repeat(20)} @a @b\n`);
  const { code, stderr } = await sh.run(...args);
  expect([code, stderr]).toEqual([2, expect.stringMatching(why)]);
  expect(stderr).not.toContain('hunter2');
  expect(existsSync(sh.dir.join('x.lock'))).toBe(false);
});

test.concurrent('a lock that is not the lock of a hub is named, with what to do', async () => {
  await using sh = shell();
  writeFileSync(sh.dir.join('bus.sock.lock'), 'junk\n\u001b[2J', { mode: 0o600 });
  const { code, stdout, stderr } = await sh.use({ args: ['register', '@a'], env: unix });
  expect([code, stdout]).toEqual([69, '']);
  expect(stderr).toMatch(
    /^busbar: the hub .* could not be started: ".*bus\.sock\.lock" exists .*\nhint: Move the file/,
  );
  expect(stderr).not.toMatch(/bug in busbar/);
});
