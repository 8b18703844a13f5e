// Every verb as a process: once with --json on each bus, and once with wrong input.
import { expect, test } from 'vitest';
import { VERB_GROUPS } from '../src/cli/verbs.ts';
import { onEachBus, type Project } from './buses.ts';
import type { Use } from './shell.ts';

/** One use of a verb. */
interface VerbUse extends Omit<Use, 'args'> {
  readonly args: readonly string[];
  /** Default 0. */
  readonly code?: number;
  /** It prints text also with --json. */
  readonly isText?: boolean;
}

/** The flag for the bus of the project with an audit log beside it. */
const auditOf = ({ url }: Project): string[] => ['--url', `audit:?of=${encodeURIComponent(url)}&log=sqlite:./log.db`];

/** Another bus of the kind of the project's. */
const sibling = ({ url }: Project, name: string): string =>
  url.startsWith('sqlite:') ? url.replace(/bus\.db$/, `${name}.db`) : `${url}-${name}`;

/** Sends a message and receives it. */
async function hold({ out, json }: Project): Promise<{ id: string; receipt: string }> {
  await out('send', '@a', 'x', '--priority', '9', '--as', '@served');
  const [message] = await json<{ id: string; receipt: string }>('recv', '@a');
  return message as { id: string; receipt: string };
}

const receipt = async (project: Project): Promise<VerbUse> => ({ args: [(await hold(project)).receipt] });
const audited = async (project: Project): Promise<VerbUse> => {
  const audit = auditOf(project);
  return { args: [await project.out('send', '@b', 'x', '--create-inbox', ...audit), ...audit] };
};
const on = (...args: string[]): VerbUse => ({ args });

/** Each verb in an order in which it finds what it needs. */
const USES: Readonly<Record<string, VerbUse | ((project: Project) => Promise<VerbUse>)>> = {
  register: on('@a', '--lease', '1h'),
  send: on('@a', 'x'),
  inbox: on('@a'),
  recv: on('@a', '--lease', '10s'),
  ...{ ack: receipt, retry: receipt, reject: receipt, release: receipt, extend: receipt },
  reply: async (project) => ({ args: [(await hold(project)).id, 'yes', '--as', '@a'] }),
  request: on('@served', 'x'),
  ping: on('@served'),
  broadcast: on('x'),
  forget: async ({ out }) => on(await out('register', '@gone')),
  publish: on('t.a', '1'),
  tail: on('t.*', '--from', 'start', '--count', '1'),
  sub: on('t.*', '--durable', 'd', '--from', 'start', '--until-empty'),
  subs: on('ls'),
  topics: on(),
  enqueue: on('q', '1'),
  task: on('ls', 'q'),
  work: on('q', '--until-empty', '--', 'true'),
  schedule: on('add', 'nightly', '--cron', '0 2 * * *', '--queue', 'r'),
  lock: on('l', '--', 'true'),
  semaphore: on('s', '-n', '2', '--', 'true'),
  dead: on('list', '@a'),
  ...{ show: audited, thread: audited, trace: audited },
  audit: async (project) => on(...auditOf(project)),
  top: on('--once', '--every', '200ms'),
  ...{ agents: on(), queues: on(), stats: on(), check: on(), where: on(), doctor: on(), guide: on(), init: on() },
  peek: on('@a'),
  log: on('info', 'hello', '--as', '@a'),
  logs: on('@a'),
  wait: on('empty', 'q'),
  health: on(),
  ...{ pause: on('q'), resume: on('q'), limit: on('q', '5/1s'), purge: on('q'), rm: on('q') },
  export: on('backup.jsonl'),
  import: async (project) => on('backup.jsonl', '--url', sibling(project, 'new')),
  migrate: async (project) => {
    await project.out('register', '@m', '--url', sibling(project, 'from'));
    return on('plan', sibling(project, 'from'), sibling(project, 'to'));
  },
  bridge: async (project) => on(sibling(project, 'from'), sibling(project, 'to'), '--remove'),
  hub: { args: ['status', '--url', 'unix:./none.sock'], code: 69 },
  conformance: on('memory:', '--only', 'Q1'),
  help: { args: ['send'], isText: true },
  completion: on('words', '--', 'send', '@'),
  version: on(),
};

test('each verb has a use', () => {
  const verbs = Object.values(VERB_GROUPS).flatMap((group) => Object.keys(group));
  expect(Object.keys(USES).sort()).toEqual(verbs.sort());
});

/** Puts `--json` behind the verb, so that it is no word of a command. */
const jsonArgs = (verb: string, args: readonly string[]): string[] => [verb, '--json', ...args];

/** What wrong input needs: receipts and ids that were valid, or that are of another state. */
interface Found {
  /** Of a lease that has ended. */
  readonly lost: string;
  /** Of a task whose lease has ended. */
  readonly lostTask: string;
  readonly waiting: string;
  readonly held: string;
  readonly dead: string;
}

async function find(project: Project): Promise<Found> {
  const { out, json } = project;
  await out('register', '@a');
  const { receipt: lost } = await hold(project);
  await out('ack', lost);
  const { receipt: rejected } = await hold(project);
  await out('reject', rejected);
  const dead = await out('task', 'add', 'bad', '1');
  const take = async (queue: string): Promise<string> => (await json('task', 'take', queue))[0]?.['receipt'] as string;
  await out('task', 'fail', await take('bad'), '--reject');
  await out('task', 'add', 'lost', '1');
  const lostTask = await take('lost');
  await out('task', 'done', lostTask);
  const held = await out('task', 'add', 'q', '1');
  await take('q');
  return { lost, lostTask, dead, held, waiting: await out('task', 'add', 'q', '2') };
}

const UNKNOWN = 'q#00000000000000000000';

/** Wrong input of verbs, with the exit code: 2 usage, 3 an unknown name, 4 empty or too late, 6 a lost lease or a conflict. */
const WRONG: readonly (readonly [code: number, line: string | ((found: Found) => string)])[] = [
  ...['ack', 'retry', 'reject', 'release', 'extend'].flatMap((verb) => [
    [2, verb] as const,
    [6, ({ lost }: Found) => `${verb} ${lost}`] as const,
  ]),
  ...[
    [2, 'retry r --delay soon'] as const,
    [2, 'release r --delay -1s'] as const,
    [2, 'extend r --lease 1ms'] as const,
  ],
  ...[[2, 'forget'] as const, [3, 'forget @none'] as const, [6, 'forget @a'] as const],
  ...['redrive', 'purge', 'list'].flatMap((action) => [
    [2, `dead ${action}`] as const,
    [3, `dead ${action} none${action === 'list' ? '' : ' --all'}`] as const,
  ]),
  ...[[2, 'dead list @a --all'] as const, [2, 'dead redrive @a ID --all'] as const],
  ...[[2, 'dead revive @a'] as const, [2, 'dead purge @a'] as const, [2, 'dead purge @a ID --all'] as const],
  ...[[3, 'dead redrive @a unknown'] as const, [3, 'dead purge @a unknown'] as const],
  ...['status', 'result', 'cancel'].flatMap((action) => [
    [2, `task ${action}`] as const,
    [2, `task ${action} no-id more`] as const,
    [3, `task ${action} ${UNKNOWN}`] as const,
  ]),
  ...[
    [4, ({ waiting }: Found) => `task result ${waiting}`] as const,
    [4, ({ held }: Found) => `task result ${held} --wait=100ms`] as const,
    [1, ({ dead }: Found) => `task result ${dead}`] as const,
    [6, ({ held }: Found) => `task cancel ${held}`] as const,
    [6, ({ dead }: Found) => `task cancel ${dead}`] as const,
  ],
  ...['done', 'fail', 'extend'].map((action) => [6, ({ lostTask }: Found) => `task ${action} ${lostTask}`] as const),
  ...[[6, ({ lostTask }: Found) => `task progress ${lostTask} 1`] as const, [2, 'task done no-receipt'] as const],
  ...[[4, 'task take lost'] as const, [2, 'task take'] as const, [4, 'recv @a'] as const, [3, 'recv @none'] as const],
  ...[[2, 'tail a..b'] as const, [2, 'tail --from soon'] as const, [2, 'tail --raw --plain'] as const],
  ...[[2, 'tail --count 0'] as const, [2, 'tail t --from no-position --stop-at-end'] as const],
  // The codes of monitoring plugins: 2 critical, 3 unknown.
  ...[[3, 'check none'] as const, [3, 'check --max-dead many'] as const, [2, 'check --max-dead 0'] as const],
  ...[[1, 'check bad --warn-dead 0'] as const, [2, 'health extra'] as const, [2, 'health --timeout 0'] as const],
];

onEachBus((open) => {
  test('wrong input has its exit code, and says so in JSON', { timeout: 600_000 }, async () => {
    await using project = await open();
    const found = await find(project);
    for (const [code, given] of WRONG) {
      const line = typeof given === 'string' ? given : given(found);
      const { code: ended, stdout, stderr } = await project.run(...line.split(' '), '--json');
      expect.soft({ line, code: ended }, stderr).toEqual({ line, code });
      const lines = [...stdout.split('\n'), ...stderr.split('\n').filter((one) => one.startsWith('{'))];
      for (const one of lines.filter((text) => text !== '')) expect.soft(() => JSON.parse(one), one).not.toThrow();
      const [last = ''] = stderr.trimEnd().split('\n').slice(-1);
      if (code === 2 && !line.startsWith('check')) expect.soft(last, line).toMatch(/^\{"error":\{"code":"INVALID_/);
    }
  });

  test('every verb ends as it says, and prints JSON', { timeout: 300_000 }, async () => {
    await using project = await open();
    await using served = await project.bus.agent('@served');
    served.handle('*', () => 'yes');
    for (const [verb, given] of Object.entries(USES)) {
      const { args, code = 0, isText = false, ...use } = typeof given === 'function' ? await given(project) : given;
      const ended = await project.use({ ...use, args: jsonArgs(verb, args), timeoutMs: 60_000 });
      expect.soft(ended.code, `${verb}: ${ended.stderr}`).toBe(code);
      const lines = ended.stdout.split('\n').filter((line) => line !== '');
      for (const line of isText ? [] : lines) expect.soft(() => JSON.parse(line), `${verb}: ${line}`).not.toThrow();
      if (code !== 0) expect(JSON.parse(ended.stderr), verb).toMatchObject({ error: { code: expect.any(String) } });
    }
  });

  test('every verb refuses a wrong flag, and says so in JSON', { timeout: 300_000 }, async () => {
    await using project = await open();
    for (const verb of Object.keys(USES)) {
      const { code, stdout, stderr } = await project.run(verb, '--json', '--no-such-flag');
      expect({ verb, code, stdout }).toEqual({ verb, code: verb === 'check' ? 3 : 2, stdout: '' });
      expect(JSON.parse(stderr), verb).toMatchObject({ error: { code: 'INVALID_ARGUMENT', hint: expect.any(String) } });
    }
  });
});
