// Messages between agents in a shell: register, send, recv, ack, retry, reject, release, extend, agents.
import { connect } from 'busbar';
import { describe, expect, test, vi } from 'vitest';
import { shell } from './shell.ts';

interface Received {
  readonly id: string;
  readonly from: string | null;
  readonly type: string | null;
  readonly body: unknown;
  readonly attempt: number;
  readonly receipt: string;
  readonly [key: string]: unknown;
}

describe('register', () => {
  test.concurrent('creates a mailbox, and may be repeated', async () => {
    await using sh = shell();
    expect(await sh.run('register', '@a', '--capability', 'x', '--capability', 'y', '--note', 'first')).toMatchObject({
      code: 0,
      stdout: '@a\n',
      stderr: expect.stringContaining('registered'),
    });
    await sh.out('send', '@a', 'hello');
    expect(await sh.json('register', '@a', '--capability', 'x')).toMatchObject([{ name: '@a', created: false }]);
    const [agent] = await sh.json('agents');
    expect(agent).toMatchObject({ name: '@a', capabilities: ['x'], inbox: { ready: 1, held: 0, dead: 0 } });
  });

  test.concurrent('takes over held messages, with leases for shells', async () => {
    await using sh = shell();
    await sh.out('send', '@a', 'early', '--create-inbox');
    expect(await sh.json('register', '@a')).toMatchObject([{ created: true, leaseMs: 600_000 }]);
    expect(await sh.json('recv', '@a')).toMatchObject([{ body: 'early', leaseLeftMs: 600_000 }]);
  });

  test.concurrent('warns that memory is lost', async () => {
    await using sh = shell();
    const { code, stderr } = await sh.run('register', '@a', '--url', 'memory');
    expect(code).toBe(0);
    expect(stderr).toContain('its data is lost when this command ends');
    expect((await sh.run('register', '@a', '--url', 'memory', '-q')).stderr).toBe('');
  });

  test.concurrent('takes its name from --as or BUSBAR_AGENT too', async () => {
    await using sh = shell();
    expect(await sh.out('register', '--as', '@a')).toBe('@a');
    expect(await sh.use({ args: ['register', '-q'], env: { BUSBAR_AGENT: '@b' } })).toMatchObject({
      stdout: '@b\n',
      stderr: '',
    });
    expect((await sh.json('agents')).map(({ name }) => name)).toEqual(['@a', '@b']);
  });

  test.concurrent.each(['', 'a b', '$a', 'x'.repeat(241), '../x y', '@a\n'])('refuses the name %j', async (name) => {
    await using sh = shell();
    const { code, stderr } = await sh.run('register', name);
    expect(code).toBe(2);
    expect(stderr).toMatch(/agent name|illegal token/);
  });
});

describe('send and recv', () => {
  test.concurrent('a message goes from shell to shell, and an ack removes it', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    const id = await sh.out(
      'send',
      '@a',
      '{"file":"a.ts"}',
      '--type',
      'review',
      '--as',
      '@b',
      '--header',
      'x-y=z',
      '--correlation',
      'c1',
    );
    const [message] = await sh.json<Received>('recv', '@a');
    expect(message).toMatchObject({
      id,
      from: '@b',
      type: 'review',
      body: { file: 'a.ts' },
      attempt: 1,
      receipt: expect.any(String),
      wantsReply: false,
      to: '@a',
      priority: 4,
      correlationId: 'c1',
      headers: { 'x-y': 'z' },
    });
    expect(Object.keys(message!).slice(0, 6)).toEqual(['id', 'from', 'type', 'body', 'attempt', 'receipt']);
    expect(await sh.run('recv', '@a', '--json')).toMatchObject({ code: 4, stdout: '', stderr: '' });
    expect(await sh.run('ack', message!.receipt)).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(await sh.run('ack', message!.receipt)).toMatchObject({
      code: 6,
      stdout: '',
      stderr: expect.stringMatching(/^busbar: lease lost/),
    });
    expect((await sh.json('agents'))[0]).toMatchObject({ inbox: { ready: 0, held: 0, dead: 0 } });
  });

  test.concurrent('a body is JSON if it parses, else text', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    const cases: [argument: string, flags: string[], body: unknown][] = [
      ['{"a":[1,null]}', [], { a: [1, null] }],
      ['[1]', [], [1]],
      ['42', [], 42],
      ['42', ['--text'], '42'],
      ['"42"', [], '42'],
      ['true', [], true],
      ['null', [], null],
      ['hello world', [], 'hello world'],
      ['[done] it works', [], '[done] it works'],
      ['{not json', ['--text'], '{not json'],
      ['ümläut 👩‍💻 \u001b[31m', [], 'ümläut 👩‍💻 \u001b[31m'],
    ];
    await Promise.all(cases.map(([body, flags], n) => sh.out('send', '@a', body, '--key', String(n), ...flags)));
    const got = new Map((await sh.json<Received>('recv', '@a', '--max', '99')).map(({ id, body }) => [id, body]));
    for (const [n, [argument, flags, body]] of cases.entries()) {
      expect(got.get(String(n)), `${argument} ${flags}`).toEqual(body);
    }
  });

  test.concurrent('a body comes from a pipe', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    const cases: [input: string, args: string[], body: unknown][] = [
      ['piped text\n', [], 'piped text'],
      ['{"x":1}\n', [], { x: 1 }],
      ['line\n', ['--text'], 'line\n'],
      ['two\nlines', ['-'], 'two\nlines'],
    ];
    for (const [input, args] of cases) {
      expect(await sh.use({ args: ['send', '@a', ...args], input })).toMatchObject({ code: 0, stderr: '' });
    }
    expect((await sh.json('recv', '@a', '--max', '9')).map(({ body }) => body)).toEqual(
      cases.map(([, , body]) => body),
    );
  });

  test.concurrent('a message with only a type has no body', async () => {
    await using sh = shell();
    await sh.out('send', '@a', '--create-inbox', '--type', 'ping');
    expect(await sh.json('recv', '@a')).toMatchObject([{ type: 'ping', body: null }]);
  });

  test.concurrent('bytes that are not UTF-8 are refused', async () => {
    await using sh = shell();
    const { code, stderr } = await sh.use({
      args: ['send', '@a', '--create-inbox'],
      input: new Uint8Array([0xff, 0xfe, 0x00]),
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(/not UTF-8/);
  });

  test.concurrent('a body over the limit is refused', async () => {
    await using sh = shell();
    const { code, stderr } = await sh.use({
      args: ['send', '@a', '--create-inbox', '--json'],
      input: 'x'.repeat(17 * 1024 * 1024),
    });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'PAYLOAD_TOO_LARGE' } });
    expect(code).toBe(2);
  });

  test.concurrent('an unknown recipient is refused with a suggestion', async () => {
    await using sh = shell();
    await sh.out('register', '@reviewer');
    const { code, stdout, stderr } = await sh.run('send', '@reveiwer', 'x');
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toBe(
      'busbar: unknown agent @reveiwer\nhint: Did you mean @reviewer? busbar agents lists all agents; --create-inbox keeps the message until it registers.\n',
    );
    const json = await sh.run('send', '@reveiwer', 'x', '--json');
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stderr)).toMatchObject({
      error: { code: 'NOT_FOUND', message: 'unknown agent @reveiwer' },
    });
  });

  test.concurrent('priority, delay, time to live, key, attempts', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    await sh.out('send', '@a', 'late', '--delay', '1h');
    await sh.out('send', '@a', 'short', '--ttl', '1ms');
    await sh.out('send', '@a', 'normal');
    await sh.out('send', '@a', 'urgent', '--priority', '9');
    expect(await sh.run('send', '@a', 'once', '--key', 'k', '--attempts', '1')).toMatchObject({
      stdout: 'k\n',
      stderr: '',
    });
    expect(await sh.run('send', '@a', 'once', '--key', 'k')).toMatchObject({
      code: 0,
      stdout: 'k\n',
      stderr: expect.stringMatching(/duplicate/),
    });
    const got = await sh.json<Received>('recv', '@a', '--max', '10', '--ack', 'auto');
    expect(got.map(({ body }) => body)).toEqual(['urgent', 'normal', 'once']);
    expect((await sh.json('agents'))[0]).toMatchObject({ inbox: { ready: 0, delayed: 1, held: 0 } });
  });

  test.concurrent('any agent with the capability', async () => {
    await using sh = shell();
    expect((await sh.run('send', '--capability', 'review', 'x')).code).toBe(5);
    await sh.out('register', '@a', '--capability', 'review');
    expect(await sh.json('send', '--capability', 'review', 'x')).toMatchObject([{ to: '@a', status: 'stored' }]);
  });

  test.concurrent('--wait wakes for a message of another process; --wait=TIME ends', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    const waiting = sh.start({ args: ['recv', '@a', '--wait', '--json'] });
    await vi.waitFor(async () => expect((await sh.json('agents', '--online')).length).toBe(1), { timeout: 5000 });
    await sh.out('send', '@a', 'hello');
    expect(await waiting.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('"hello"') });
    const began = performance.now();
    expect(await sh.run('recv', '@a', '--wait=300ms')).toMatchObject({
      code: 4,
      stdout: '',
      stderr: 'busbar: nothing to receive\n',
    });
    expect(performance.now() - began).toBeGreaterThan(300);
  });

  test.concurrent.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s while waiting ends with %d and takes nothing', async (signal, exit) => {
    await using sh = shell();
    await sh.out('register', '@a', '--lease', '1h');
    const waiting = sh.start({ args: ['recv', '@a', '--wait', '--json'] });
    await vi.waitFor(async () => expect((await sh.json('agents', '--online')).length).toBe(1), { timeout: 5000 });
    waiting.child.kill(signal);
    expect(await waiting.ended).toMatchObject({ code: exit, signal: null, stdout: '', stderr: '' });
    await sh.out('send', '@a', 'still here');
    expect(await sh.json('recv', '@a')).toMatchObject([{ body: 'still here', attempt: 1 }]);
  });

  test.concurrent('a message that cannot be printed is released', async () => {
    await using sh = shell();
    await sh.out('register', '@a', '--lease', '1h');
    const waiting = sh.start({ args: ['recv', '@a', '--wait', '--json'] });
    await vi.waitFor(async () => expect((await sh.json('agents', '--online')).length).toBe(1), { timeout: 5000 });
    waiting.child.stdout?.destroy();
    await sh.out('send', '@a', 'hello');
    expect(await waiting.ended).toMatchObject({ code: 0, stderr: '' });
    expect(await sh.json('recv', '@a')).toMatchObject([{ body: 'hello', attempt: 1 }]);
  });

  test.concurrent('a missing inbox fails at once', async () => {
    await using sh = shell();
    await sh.out('register', '@worker');
    const { code, stderr } = await sh.run('recv', '@wroker', '--wait');
    expect(code).toBe(3);
    expect(stderr).toMatch(/@wroker has no mailbox\nhint: Did you mean @worker\?/);
  });

  test.concurrent('as text: type, sender, body, and the next command', async () => {
    await using sh = shell();
    await sh.out('send', '@a', 'line one\nline \u001b[2J\u202etwo', '--create-inbox', '--as', '@b');
    const { stdout } = await sh.run('recv', '@a');
    expect(stdout).toMatch(
      /^message from @b, \d\d:\d\d:\d\d\nline one\n {2}line \\u001b\[2J\\u202etwo\ndone: {3}busbar ack \S+ {3}\(within \S+\)\n$/,
    );
  });
});

describe('send --jsonl', () => {
  test.concurrent('sends thousands of messages and prints their ids', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    const lines = Array.from({ length: 3000 }, (_, n) =>
      JSON.stringify({ to: '@a', type: 'n', body: { n }, key: `id-${n}` }),
    );
    const { code, stdout, stderr } = await sh.use({ args: ['send', '--jsonl'], input: lines.join('\n') });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trim().split('\n')).toEqual(lines.map((_, n) => `id-${n}`));
    expect((await sh.json('agents'))[0]).toMatchObject({ inbox: { ready: 3000 } });
    const first = await sh.json<Received>('recv', '@a', '--max', '3');
    expect(first.map(({ body }) => body)).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  });

  test.concurrent('continues after the output pipe closes', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    const lines = Array.from({ length: 2000 }, () => '{"to":"@a"}').join('\n');
    const sending = sh.start({ args: ['send', '--jsonl'], input: lines });
    sending.child.stdout?.destroy();
    expect(await sending.ended).toMatchObject({ code: 0, stderr: '' });
    expect((await sh.json('agents'))[0]).toMatchObject({ inbox: { ready: 2000 } });
  });

  test.concurrent('reports each bad line, sends the others, and exits with 2', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    const input = [
      '{"to":"@a","body":1,"key":"one"}',
      'not json',
      '',
      '[]',
      '{"body":1}',
      '{"to":"@a","bdoy":1}',
      '{"to":"@missing","body":1}',
      '{"to":"@a","body":1,"priority":99}',
      '{"to":"@a","type":7}',
      '{"to":7}',
      '{"to":"@a","body":2,"key":"two","priority":9,"ttl":"1m","header":{"a":"b"}}',
    ].join('\n');
    const { code, stdout, stderr } = await sh.use({ args: ['send', '--jsonl'], input });
    expect({ code, stdout }).toEqual({ code: 2, stdout: 'one\ntwo\n' });
    const named = stderr.trim().split('\n');
    expect(named.map((line) => /^busbar: line (\d+): /.exec(line)?.[1])).toEqual([
      '2',
      '4',
      '5',
      '6',
      '7',
      '8',
      '9',
      '10',
    ]);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(await sh.json('recv', '@a', '--max', '9')).toMatchObject([
      { id: 'two', headers: { a: 'b' } },
      { id: 'one' },
    ]);
  });

  test.concurrent('prints JSON with --json', async () => {
    await using sh = shell();
    const input = '{"to":"@a"}\nx\n';
    const { code, stdout, stderr } = await sh.use({
      args: ['send', '--jsonl', '--json', '--create-inbox', '--type', 't'],
      input,
    });
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ line: 1, to: '@a', status: 'stored' });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'INVALID_ARGUMENT', line: 2 } });
    expect(await sh.json('recv', '@a')).toMatchObject([{ type: 't' }]);
  });
});

describe('settling', () => {
  test.concurrent('retry, release and reject: again at once, later, or never; the reason is kept', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    await sh.out('send', '@a', 'x');
    const take = async (): Promise<Received> => (await sh.json<Received>('recv', '@a'))[0]!;
    const first = await take();
    expect(await sh.run('retry', first.receipt, '--reason', 'no time')).toMatchObject({ code: 0, stdout: '' });
    const second = await take();
    expect(second).toMatchObject({ id: first.id, attempt: 2 });
    expect(await sh.run('retry', first.receipt)).toMatchObject({ code: 6 });
    await sh.out('release', second.receipt);
    const third = await take();
    expect(third.attempt).toBe(2);
    await sh.out('retry', third.receipt, '--delay', '1h');
    expect((await sh.json('agents'))[0]).toMatchObject({ inbox: { ready: 0, delayed: 1 } });
    await sh.out('send', '@a', 'y');
    await sh.out('reject', (await take()).receipt, '--reason', 'bad');
    expect((await sh.json('agents'))[0]).toMatchObject({ inbox: { dead: 1 } });
  });

  test.concurrent('a lease for one delivery only', async () => {
    await using sh = shell();
    await sh.out('register', '@a', '--lease', '1h');
    for (const body of ['1', '2']) await sh.out('send', '@a', body);
    const [first] = await sh.json<Received>('recv', '@a', '--lease', '2h');
    expect(first).toMatchObject({ body: 1, leaseLeftMs: 7_200_000 });
    const [second] = await sh.json<Received>('recv', '@a', '--lease', '200ms');
    expect(second).toMatchObject({ body: 2, leaseLeftMs: 200 });
    const again = { body: 2, attempt: 2, leaseLeftMs: 3_600_000 };
    expect(await sh.json<Received>('recv', '@a', '--wait=10s')).toMatchObject([again]);
    expect(await sh.json('extend', first!.receipt, '--lease', '3h')).toMatchObject([{ leaseLeftMs: 10_800_000 }]);
    expect(await sh.run('ack', second!.receipt)).toMatchObject({ code: 6 });
  });

  test.concurrent('extend renews a lease; a lost lease stays lost', async () => {
    await using sh = shell();
    await sh.out('register', '@a', '--lease', '2s');
    await sh.out('send', '@a', 'x');
    const [message] = await sh.json<Received>('recv', '@a');
    expect(await sh.json('extend', message!.receipt)).toMatchObject([
      { status: 'done', leaseLeftMs: expect.any(Number) },
    ]);
    await sh.out('register', '@a', '--lease', '50ms');
    await sh.json('recv', '@a', '--wait=5s');
    const { code, stderr } = await sh.run('extend', message!.receipt, '--json');
    expect(code).toBe(6);
    expect(stderr).toMatch(/lease lost/);
  });

  test.concurrent('receipts from a pipe, as recv printed them', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    for (const body of ['1', '2', '3']) await sh.out('send', '@a', body);
    const { stdout } = await sh.run('recv', '@a', '--max', '2', '--json');
    expect(await sh.use({ args: ['ack'], input: stdout })).toMatchObject({ code: 0, stdout: '', stderr: '' });
    const [last] = await sh.json<Received>('recv', '@a');
    const mixed = await sh.use({ args: ['ack', '-', '--json'], input: `${last!.receipt}\nnonsense\n` });
    expect(mixed.code).toBe(6);
    expect(
      mixed.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).status),
    ).toEqual(['done', 'lease-lost']);
  });

  test.concurrent.each(['nonsense', 'x'.repeat(600), '\u001b[2J'])(
    'the receipt %j settles nothing',
    async (receipt) => {
      await using sh = shell();
      const { code, stdout, stderr } = await sh.run('ack', receipt);
      expect([2, 6]).toContain(code);
      expect(stdout).toBe('');
      expect(stderr).not.toMatch(/\n\s+at /);
      expect(stderr).not.toContain('\u001b');
    },
  );
});

describe('an inbox without an agent', () => {
  test.concurrent('is shown by agents, and deleted by forget', async () => {
    await using sh = shell();
    await sh.out('register', '@real');
    await sh.out('send', '@typo', 'x', '--create-inbox');
    expect(await sh.out('agents')).toMatch(/^@typo +unregistered +1 +0 +0 +\S+ +-$/m);
    expect(await sh.json('agents')).toMatchObject([
      { name: '@real', registeredAt: expect.any(String) },
      { name: '@typo', online: false, registeredAt: null, inbox: { ready: 1 }, instances: [] },
    ]);
    expect(await sh.json('agents', '--online')).toEqual([]);
    const refused = await sh.run('forget', '@typo');
    expect(refused).toMatchObject({ code: 6, stdout: '' });
    expect(refused.stderr).toMatch(/^busbar: the inbox of @typo has 1 message\nhint: .*--force/);
    expect(await sh.out('forget', '@typo', '--force')).toBe('@typo');
    expect(await sh.json('agents')).toMatchObject([{ name: '@real' }]);
    expect(await sh.run('send', '@typo', 'x')).toMatchObject({ code: 3, stdout: '' });
  });

  test.concurrent('forget deletes an empty inbox and an agent, several at once, and says what is unknown', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    await sh.out('send', '@typo', 'x', '--create-inbox');
    await sh.out('recv', '@typo', '--ack', 'auto');
    await using bus = await connect(`sqlite:${sh.dir.join('.busbar/bus.db')}`, { onError: () => undefined });
    const busy = await bus.agent('@busy');
    expect(await sh.run('forget', '@busy')).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/hint: .*--force/),
    });
    await busy.close();
    expect(await sh.out('forget', '@typo', '@busy')).toBe('@typo\n@busy');
    await sh.out('register', '@shell');
    expect(await sh.out('forget', '@shell')).toBe('@shell');
    const unknown = await sh.run('forget', '@b');
    expect(unknown).toMatchObject({ code: 3, stdout: '', stderr: expect.stringMatching(/Did you mean @a\?/) });
    expect(unknown.stderr).not.toMatch(/busbar register/);
    expect(await sh.run('forget', 'a b')).toMatchObject({ code: 2, stdout: '' });
  });

  test.concurrent('forget tells of dead letters', async () => {
    await using sh = shell();
    await sh.out('register', '@a');
    await sh.out('send', '@a', 'x');
    const [mail] = await sh.json<Received>('recv', '@a');
    await sh.out('reject', mail!.receipt);
    const { code, stderr } = await sh.run('forget', '@a');
    expect([code, stderr]).toEqual([6, expect.stringMatching(/has 1 dead letter\n/)]);
  });
});
