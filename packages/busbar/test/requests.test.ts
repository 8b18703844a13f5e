// Requests and responses, in shells and programs.
import { connect } from 'busbar';
import { describe, expect, test } from 'vitest';
import { shell } from './shell.ts';

interface Received {
  readonly id: string;
  readonly receipt: string;
  readonly [key: string]: unknown;
}

describe('request and reply', () => {
  test('from shell to shell', async () => {
    await using sh = shell();
    await sh.out('register', '@auth');
    const asking = sh.run('request', '@auth', '{"token":"x"}', '--type', 'validate', '--as', '@web');
    const [request] = await sh.json<Received>('recv', '@auth', '--wait=10s');
    expect(request).toMatchObject({ type: 'validate', from: '@web', body: { token: 'x' }, wantsReply: true });
    await sh.out('reply', request!.id, '{"valid":true}', '--as', '@auth', '--ack', request!.receipt);
    expect(await asking).toMatchObject({ code: 0, stdout: '{"valid":true}\n', stderr: '' });
    expect((await sh.json('agents'))[0]).toMatchObject({ inbox: { ready: 0, held: 0 } });
    const { code, stderr } = await sh.run('reply', request!.id, 'late', '--as', '@auth');
    expect(code).toBe(3);
    expect(stderr).toMatch(/reply before you ack/);
  });

  test('from a shell to a program, durable and live', async () => {
    await using sh = shell();
    await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
    const agent = await bus.agent('@auth');
    agent.handle('validate', async ({ body }) => ({ valid: body === 'secret' }));
    agent.handle('fail', async () => {
      throw new Error('no such token');
    });
    expect(await sh.out('request', '@auth', 'secret', '--type', 'validate')).toBe('{"valid":true}');
    expect(await sh.out('request', '@auth', 'other', '--type', 'validate', '--live')).toBe('{"valid":false}');
    const failed = await sh.run('request', '@auth', 'x', '--type', 'fail', '--live', '--json');
    expect(failed).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(failed.stderr)).toMatchObject({
      error: { code: 'HANDLER_FAILED', message: expect.stringContaining('no such token') },
    });
  });

  test('from a program to a shell, with an error as response', async () => {
    await using sh = shell();
    await sh.out('register', '@auth');
    await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
    const asker = await bus.agent('@web');
    const answer = asker
      .request('@auth', 'validate', 'x', { durable: true, timeoutMs: 10_000 })
      .catch((error: unknown) => error);
    const [request] = await sh.json<Received>('recv', '@auth', '--wait=10s');
    await sh.out('reply', request!.id, 'unknown token', '--failed', '--as', '@auth', '--ack', request!.receipt);
    expect(await answer).toMatchObject({ code: 'HANDLER_FAILED', message: expect.stringContaining('unknown token') });
  });

  test('an unknown agent, an offline agent, no response in time', async () => {
    await using sh = shell();
    await sh.out('register', '@auth');
    expect(await sh.run('request', '@auht', 'x')).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/Did you mean @auth\?/),
    });
    expect(await sh.run('request', '@auth', 'x', '--live')).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/hint: Without --live the request waits in the inbox/),
    });
    const late = await sh.run('request', '@auth', 'x', '--wait', '200ms');
    expect(late).toMatchObject({ code: 4, stdout: '', stderr: expect.stringMatching(/--key /) });
  });

  test('a message that is not a request', async () => {
    await using sh = shell();
    await sh.out('send', '@a', 'x', '--create-inbox', '--as', '@b');
    const [message] = await sh.json<Received>('recv', '@a');
    const failed = await sh.run('reply', message!.id, 'y', '--as', '@a', '--failed');
    expect(failed).toMatchObject({ code: 2, stderr: expect.stringMatching(/is not a request\nhint: /) });
    expect(await sh.run('reply', message!.id, 'y', '--as', '@a')).toMatchObject({ code: 3, stdout: '' });
  });
});
