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

const AUDITED = ['--url', 'audit:?of=sqlite'];
const MOVE: readonly [string, string] = ['sqlite:./from.db', 'sqlite:./to.db'];

/** Sends a message and receives it. */
async function hold({ out, json }: Project): Promise<{ id: string; receipt: string }> {
  await out('send', '@a', 'x', '--priority', '9', '--as', '@served');
  const [message] = await json<{ id: string; receipt: string }>('recv', '@a');
  return message as { id: string; receipt: string };
}

const receipt = async (project: Project): Promise<VerbUse> => ({ args: [(await hold(project)).receipt] });
const audited = async ({ out }: Project): Promise<VerbUse> => ({
  args: [await out('send', '@b', 'x', '--create-inbox', ...AUDITED), ...AUDITED],
});
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
  audit: on(...AUDITED),
  top: on('--once', '--every', '200ms'),
  ...{ agents: on(), queues: on(), stats: on(), check: on(), where: on(), doctor: on(), guide: on(), init: on() },
  peek: on('@a'),
  log: on('info', 'hello', '--as', '@a'),
  logs: on('@a'),
  wait: on('empty', 'q'),
  health: on(),
  ...{ pause: on('q'), resume: on('q'), purge: on('q'), rm: on('q') },
  export: on('backup.jsonl'),
  import: on('backup.jsonl', '--url', 'sqlite:./new.db'),
  migrate: async ({ out }) => {
    await out('register', '@m', '--url', MOVE[0]);
    return on('plan', ...MOVE);
  },
  bridge: on(...MOVE, '--remove'),
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

onEachBus((open) => {
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
