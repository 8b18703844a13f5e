// Tasks by hand and many at once: take, done, fail, progress, extend; --jsonl and --count.
import { describe, expect, test } from 'vitest';
import { onEachBus } from './buses.ts';
import { type Ending, shell } from './shell.ts';

interface Taken {
  readonly id: string;
  readonly attempt: number;
  readonly receipt: string;
  readonly leaseLeftMs: number;
}

onEachBus((open) => {
  test.concurrent('a task is taken in one process and settled in others', async () => {
    await using project = await open();
    const { bus } = project;
    expect(await project.run('task', 'take', 'build')).toMatchObject({
      code: 4,
      stdout: '',
      stderr: expect.stringMatching(/no task to take/),
    });
    const waiting = project.start({ args: ['task', 'take', 'build', '--wait', '--json', '--lease', '20s'] });
    const handle = await bus.enqueue('build', { target: 'all' }, { dedupeKey: "it's" });
    const taken = JSON.parse((await waiting.ended).stdout) as Taken;
    expect(taken).toMatchObject({ id: "build#it's", queue: 'build', body: { target: 'all' }, attempt: 1, from: null });
    expect(taken.leaseLeftMs).toBeGreaterThan(15_000);
    const progress = handle.progress().next();
    expect(await bus.transport.admin.queues({ names: ['build'] })).toMatchObject([{ settings: { leaseMs: 30_000 } }]);
    expect(await project.out('task', 'status', taken.id)).toBe('HELD');
    expect(await project.run('task', 'progress', taken.receipt, '50')).toMatchObject({ code: 0, stdout: '' });
    expect((await progress).value).toBe(50);
    expect(await project.json('task', 'extend', taken.receipt)).toEqual([
      { id: taken.id, status: 'extended', leaseLeftMs: expect.any(Number) },
    ]);
    expect(await project.json('task', 'extend', taken.receipt, '--lease', '2h')).toMatchObject([
      { status: 'extended', leaseLeftMs: expect.closeTo(7_200_000, -2) },
    ]);
    const piped = { args: ['task', 'done', taken.receipt, '--result', '-', '--json'], input: '{"n":1.10}' };
    expect(await project.use(piped)).toMatchObject({ code: 0, stdout: `{"id":"build#it's","status":"done"}\n` });
    expect(await project.out('task', 'result', taken.id)).toBe('{"n":1.10}');
    for (const verb of ['done', 'fail', 'extend'])
      expect(await project.run('task', verb, taken.receipt)).toMatchObject({ code: 6, stdout: '' });
    expect(await project.run('task', 'progress', taken.receipt, '60')).toMatchObject({ code: 6, stdout: '' });
  });

  test.concurrent('a task fails, is rejected or released; receipts come through a pipe', async () => {
    await using project = await open();
    const { bus } = project;
    for (const dedupeKey of ['again', 'bad', 'back']) await bus.enqueue('q', dedupeKey, { dedupeKey });
    const lines = await project.out('task', 'take', 'q', '--max', '3', '--json');
    const [again, bad, back] = lines.split('\n').map((line) => JSON.parse(line) as Taken);
    const reason = ['--reason', 'no disk'];
    expect(await project.run('task', 'fail', again!.receipt, ...reason, '--delay', '0')).toMatchObject({ code: 0 });
    expect(await project.run('task', 'fail', bad!.receipt, ...reason, '--reject')).toMatchObject({ code: 0 });
    expect(await project.run('release', back!.receipt)).toMatchObject({ code: 0 });
    expect(await bus.deadLetters('q').browse()).toMatchObject({ messages: [{ id: 'q#bad', reason: 'no disk' }] });
    expect(await project.run('task', 'result', 'q#bad')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no disk/),
    });
    const more = await project.out('task', 'take', 'q', '--wait=5s', '--max', '2', '--json');
    const all = more.split('\n').map((line) => JSON.parse(line) as Taken);
    expect(all.map(({ id, attempt }) => `${id} ${attempt}`)).toEqual(['q#again 2', 'q#back 1']);
    expect(await project.use({ args: ['task', 'done'], input: `${more}\n` })).toMatchObject({ code: 0, stdout: '' });
    expect(await bus.task('q', 'q#again').result()).toBeUndefined();
    expect(await bus.task('q', 'q#back').status()).toBe('done');
    await bus.enqueue('q', 'for people', { dedupeKey: 'p' });
    const text = await project.out('task', 'take', 'q');
    expect(text).toMatch(
      /^q#p from unknown sender, [\d:]+\nfor people\ndone: busbar task done '?task=q%23p=\S+ {3}\(within \d+m?s\)$/,
    );
  });

  test.concurrent('tasks and events of --jsonl and --count', async () => {
    await using project = await open();
    const { bus } = project;
    const lines = [
      '{"body":{"n":1.10},"priority":9,"key":"one","ttl":"1h","header":{"a":"b"},"attempts":2}',
      '{"queue":"other","body":2,"delay":"1h"}',
      '{"body":3,"delay":60}',
      '{"body":3,"priority":"high"}',
      '{"body":3,"delayMs":60}',
      '{"body":3,"header":["a"]}',
      'x',
    ].join('\n');
    const added = await project.use({ args: ['task', 'add', 'q', '--jsonl', '--priority', '1'], input: lines });
    expect(added.code).toBe(2);
    expect(added.stdout).toMatch(/^q#one\nother#\S+\n$/);
    expect(added.stderr.split('\n')).toEqual([
      'busbar: line 3: delay has no unit: 60 (Write it as text: "delay":"30s".)',
      expect.stringMatching(/^busbar: line 4: priority is illegal: "high"/),
      expect.stringMatching(
        /^busbar: line 5: unknown key "delayMs" \(Did you mean delay\? The keys are queue, body, pri/,
      ),
      expect.stringMatching(/^busbar: line 6: header is not an object of texts/),
      expect.stringMatching(/^busbar: line 7: not JSON/),
      '',
    ]);
    const { messages } = await bus.transport.admin.browse('q');
    expect(messages).toMatchObject([{ message: { priority: 9, headers: { a: 'b' } } }]);
    expect(new TextDecoder().decode(messages[0]!.message.body)).toBe('{"n":1.10}');

    const many = await project.use({ args: ['enqueue', 'many', 'x', '--count', '1200', '--json'] });
    expect(many.stdout.trimEnd().split('\n')).toHaveLength(1200);
    expect(await bus.transport.admin.queues({ names: ['many'] })).toMatchObject([{ ready: 1200 }]);

    const events = '{"topic":"a.b","body":1,"key":"e1"}\n{"body":2,"ephemeral":true}\n{"body":3,"to":"x"}\n';
    const published = await project.use({ args: ['publish', 'a.c', '--jsonl', '--json'], input: events });
    expect(published.code).toBe(2);
    expect(
      published.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toMatchObject([
      { line: 1, id: 'e1', topic: 'a.b', status: 'stored' },
      { line: 2, topic: 'a.c' },
    ]);
    expect(JSON.parse(published.stderr)).toMatchObject({ error: { code: 'INVALID_ARGUMENT', line: 3 } });
    expect((await project.out('publish', 'a.d', 'x', '--count', '3')).split('\n')).toHaveLength(3);
    const seen: string[] = [];
    for await (const event of bus.history('a.>')) seen.push(`${event.topic} ${event.body}`);
    expect(seen.sort()).toEqual(['a.b 1', 'a.d x', 'a.d x', 'a.d x']);
  });
});

describe('a bad use of tasks', () => {
  const refused = ({ code, stdout, stderr }: Ending, message: RegExp): void => {
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
    expect(stderr.match(/^hint: ./gm)).toHaveLength(1);
  };

  test.concurrent.each([
    [['task', 'take'], /QUEUE is missing/],
    [['task', 'take', 'q', 'x'], /take takes a queue only/],
    [['task', 'take', '@a'], /name of an agent/],
    [['task', 'take', 'q', '--max', '0'], /--max is illegal/],
    [['task', 'done'], /RECEIPT is missing/],
    [['task', 'done', 'x'], /illegal receipt of a task: "x"/],
    [['task', 'done', 'task=q%23x=1.1=r', 'y'], /unexpected argument "y"/],
    [['task', 'done', '--result', '-'], /--result - reads the pipe/],
    [['task', 'done', 'task=q%23x=1.1=r', '--result', '{"x"'], /starts like JSON/],
    [['task', 'fail', 'x', '--reject', '--delay', '1s'], /--reject and --delay exclude each other/],
    [['task', 'progress'], /RECEIPT is missing/],
    [['task', 'progress', 'x'], /the body is missing/],
    [['task', 'add', 'q', 'x', '--count', '2', '--key', 'k'], /--count excludes --key/],
    [['enqueue'], /QUEUE is missing/],
    [['enqueue', 'q', 'x', '--jsonl'], /--jsonl takes no BODY/],
    [['enqueue', 'q', '--jsonl', '--wait'], /no meaning with --jsonl/],
    [['publish'], /TOPIC is missing/],
    [['publish', 'a', 'x', '--jsonl'], /--jsonl takes no BODY/],
    [['publish', 'a', '--jsonl', '--count', '2'], /--count has no meaning with --jsonl/],
    [['publish', 'a', 'x', '--key', 'k', '--count', '2'], /--key and --count exclude each other/],
  ])('%j', async (args, message) => {
    await using sh = shell();
    refused(await sh.run(...args), message);
  });
});
