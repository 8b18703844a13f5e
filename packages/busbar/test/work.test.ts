// A command for each message: exit codes, results, replies, signals.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isAlive, waitFor } from '@busbar/testbed';
import { describe, expect, test } from 'vitest';
import { onEachBus } from './buses.ts';
import { shell } from './shell.ts';

/** Ends with the exit code in the body, at its first attempt. */
const BY_BODY =
  'read -r code; echo "on attempt $BUSBAR_ATTEMPT" >&2; [ "$BUSBAR_ATTEMPT" = 1 ] && exit "$code"; exit 0';

onEachBus((open) => {
  test.concurrent('the exit code of a command decides: 0, 75, 65, others by --on-failure', async () => {
    await using project = await open();
    const { bus } = project;
    for (const code of [0, 75, 65, 3]) await bus.enqueue('build', code, { dedupeKey: `c${code}` });
    const args = ['work', 'build', '--until-empty', '--backoff', '10ms', '--json', '--', 'sh', '-c', BY_BODY];
    const { code, stdout, stderr } = await project.use({ args });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const runs = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; attempt: number; exitCode: number; outcome: string });
    const outcomes = runs.map(({ id, attempt, exitCode, outcome }) => `${id} ${attempt} ${exitCode} ${outcome}`);
    expect(outcomes.sort()).toEqual([
      'build#c0 1 0 done',
      'build#c3 1 3 retry',
      'build#c3 2 0 done',
      'build#c65 1 65 reject',
      'build#c75 1 75 retry',
      'build#c75 2 0 done',
    ]);
    const { messages } = await bus.deadLetters('build').browse();
    expect(messages).toMatchObject([{ id: 'build#c65', reason: 'exit code 65: on attempt 1' }]);

    await bus.enqueue('build', 3, { dedupeKey: 'again' });
    const rejecting = ['work', 'build', '--until-empty', '--on-failure', 'reject', '--', 'sh', '-c', BY_BODY];
    const rejected = await project.use({ args: rejecting });
    expect(rejected.stderr).toMatch(/^busbar: build#again: exit code 3: on attempt 1; it is a dead letter now$/m);
    expect(await bus.deadLetters('build').count()).toBe(2);
  });

  test.concurrent('a task has the output as its result, and lines of descriptor 3 as its progress', async () => {
    await using project = await open();
    const { bus } = project;
    const exact = await project.out('task', 'add', 'q', '{"n":1.10}');
    const bytes = await bus.enqueue('q', new Uint8Array([0, 255]));
    const handle = await bus.enqueue('q', 'wait');
    const seen = handle.progress().next();
    const script = 'echo \'{"half":true}\' >&3; while [ ! -e go ]; do sleep 0.05; done; cat /dev/stdin';
    const args = ['work', 'q', '--until-empty', '--concurrency', '3', '--', 'sh', '-c', script];
    const working = project.start({ args });
    expect((await seen).value).toEqual({ half: true });
    writeFileSync(project.dir.join('go'), '');
    expect((await working.ended).code).toBe(0);
    expect(await project.out('task', 'result', exact)).toBe('{"n":1.10}');
    expect(await bytes.result()).toEqual(new Uint8Array([0, 255]));
    expect(await handle.result()).toBe('wait');
  });

  test.concurrent('an agent replies, with the variables of the message and no shell between', async () => {
    await using project = await open();
    const { bus } = project;
    await project.out('register', '@auth', '--capability', 'auth', '--note', 'checks tokens');
    const vars = '"$BUSBAR_TYPE $BUSBAR_FROM $BUSBAR_TO $BUSBAR_ATTEMPT $BUSBAR_AGENT $BUSBAR_CORRELATION"';
    const script = `echo ${vars}; busbar=$MESSAGE_BUS; [ -n "$busbar" ] && cat`;
    const working = project.start({ args: ['work', '@auth', '--', 'sh', '-c', script] });
    await working.said('working on @auth; its leases last 5s now, not 10m');
    const api = await bus.agent('@api');
    const type = '$(touch hacked);`touch hacked`';
    const durable = { durable: true, correlationId: 'c1' };
    expect(await api.request('@auth', type, '; touch hacked', durable)).toBe(
      `${type} @api @auth 1 @auth c1\n; touch hacked`,
    );
    expect(await api.request('@auth', 'live', { a: 1 })).toMatch(/^live @api @auth 1 @auth \n\{"a":1\}$/);
    expect(await bus.agents({ online: true, capability: 'auth' })).toMatchObject([
      { name: '@auth', note: 'checks tokens' },
    ]);
    working.child.kill('SIGTERM');
    expect(await working.ended).toMatchObject({ code: 143, stdout: '' });
    expect(existsSync(project.dir.join('hacked'))).toBe(false);
  });

  test.concurrent('SIGTERM lets a running command end, a second one releases its message', async () => {
    await using project = await open();
    const { bus } = project;
    const script = 'touch begun.$BUSBAR_ID; while [ ! -e go ]; do sleep 0.05; done; echo ended';
    const first = await bus.enqueue('q', 1, { dedupeKey: '1' });
    const draining = project.start({ args: ['work', 'q', '--', 'sh', '-c', script] });
    await waitFor(() => existsSync(project.dir.join('begun.q#1')), { what: 'the command', timeoutMs: 10_000 });
    draining.child.kill('SIGTERM');
    await draining.said('no more messages are taken');
    const second = await bus.enqueue('q', 2, { dedupeKey: '2' });
    writeFileSync(project.dir.join('go'), '');
    expect((await draining.ended).code).toBe(143);
    expect(await first.result()).toBe('ended');
    expect(await second.status()).toBe('queued');

    rmSync(project.dir.join('go'));
    const ending = project.start({
      args: ['work', 'q', '--', 'sh', '-c', `trap 'echo killed > killed' TERM; ${script}`],
    });
    await waitFor(() => existsSync(project.dir.join('begun.q#2')), { what: 'the command', timeoutMs: 10_000 });
    ending.child.kill('SIGINT');
    await ending.said('no more messages are taken');
    ending.child.kill('SIGINT');
    expect((await ending.ended).code).toBe(130);
    expect(await second.status()).toBe('queued');
    const [message] = (await bus.transport.admin.browse('q')).messages;
    expect(message).toMatchObject({ state: 'ready', attempts: 0 });
    await waitFor(() => existsSync(project.dir.join('killed')), { what: 'SIGTERM of the command', timeoutMs: 5_000 });
  });

  test.concurrent('a running task is cancelled, and its command ends', async () => {
    await using project = await open();
    const id = await project.out('task', 'add', 'q', '1');
    const script = 'touch begun; exec sleep 60';
    const working = project.start({ args: ['work', 'q', '--until-empty', '--', 'sh', '-c', script] });
    await waitFor(() => existsSync(project.dir.join('begun')), { what: 'the command', timeoutMs: 10_000 });
    expect(await project.run('task', 'cancel', id)).toMatchObject({ code: 6, stdout: '' });
    const cancel = ['task', 'cancel', id, '--running', '--reason', 'no longer needed'];
    expect(await project.json(...cancel)).toEqual([{ id, cancelled: true, status: 'cancelled' }]);
    expect((await working.ended).code).toBe(0);
    expect(await project.out('task', 'status', id)).toBe('CANCELLED');
  });

  test.concurrent('a command that ignores SIGTERM is killed after a second signal', async () => {
    await using project = await open();
    await project.bus.enqueue('q', 1);
    const script = 'trap "" TERM; echo $$ > pid; while :; do sleep 0.1; done';
    const stubborn = project.start({ args: ['work', 'q', '--', 'sh', '-c', script] });
    await waitFor(() => existsSync(project.dir.join('pid')), { what: 'the command', timeoutMs: 10_000 });
    const pid = Number(await waitFor(() => readFileSync(project.dir.join('pid'), 'utf8').trim(), { what: 'its id' }));
    for (const text of ['no more messages', '']) {
      stubborn.child.kill('SIGTERM');
      await stubborn.said(text);
    }
    expect((await stubborn.ended).code).toBe(143);
    expect(isAlive(pid)).toBe(false);
  });

  test.concurrent('a command that takes too long or says too much is ended, and leases are renewed', async () => {
    await using project = await open();
    const { bus } = project;
    await bus.enqueue('q', 'slow', { maxAttempts: 1, dedupeKey: 'slow' });
    await bus.enqueue('q', 'loud', { dedupeKey: 'loud' });
    const lasting = await bus.enqueue('q', 'lasting');
    const script = 'read -r b; case $b in slow) sleep 60;; loud) exec yes;; *) sleep 3; echo $BUSBAR_ATTEMPT;; esac';
    const limits = ['--timeout', '4s', '--lease', '2s', '--concurrency', '3'];
    const { stderr } = await project.use({
      args: ['work', 'q', '--until-empty', ...limits, '--', 'sh', '-c', script],
    });
    const { messages } = await bus.deadLetters('q').browse();
    expect(Object.fromEntries(messages.map(({ id, reason }) => [id, reason]))).toEqual({
      'q#slow': 'CommandFailed: took longer than 4s',
      'q#loud': expect.stringMatching(/^wrote more than \d+ bytes$/),
    });
    expect(await lasting.result()).toBe(1);
    expect(stderr).toMatch(/q#slow: took longer than 4s; it is a dead letter now/);
  });
});

describe('a bad use of work', () => {
  test.concurrent.each([
    [['work'], 2, /QUEUE\|AGENT is missing/],
    [['work', 'q'], 2, /CMD is missing\nhint: Write -- and then the command/],
    [['work', 'q', '--'], 2, /CMD is missing/],
    [['work', 'q', 'true'], 2, /unexpected argument "true"\nhint: Write -- before the command: -- true/],
    [['work', 'q', 'x', '--', 'true'], 2, /unexpected argument "x"/],
    [['work', 'q', '--', 'no-such-program'], 3, /cannot run "no-such-program": no such program/],
    [['work', 'q', '--', './x y'], 3, /no such program\nhint: No shell splits the words/],
    [['work', 'q', '--type', 't', '--', 'true'], 2, /--type is for the inbox of an agent/],
    [['work', '@none', '--', 'true'], 3, /@none has no mailbox\nhint: .*busbar register @none/],
    [['work', '$x', '--', 'true'], 2, /\$x/],
    [['work', 'q', '--concurrency', '0', '--', 'true'], 2, /--concurrency is illegal/],
    [['work', 'q', '--on-failure', 'ignore', '--', 'true'], 2, /--on-failure/],
    [['work', 'q', '--lease', '1ms', '--', 'true'], 2, /--lease is out of bounds/],
  ])('%j', async (args, exit, message) => {
    await using sh = shell();
    const { code, stdout, stderr } = await sh.run(...args);
    expect({ code, stdout, stderr }).toEqual({ code: exit, stdout: '', stderr: expect.stringMatching(message) });
    expect(stderr.match(/^hint: ./gm)).toHaveLength(1);
  });
});
