/** `busbar bridge`: forwards queues and topics to another bus as long as it runs. */

import { invalid } from '@busbar/api/transport';
import type { BridgeProgress } from '@busbar/compose';
import { type Command, defineCommand } from '../command.ts';
import { inboxOf } from '../mail/mailbox.ts';
import { DONE } from '../output/exit-codes.ts';
import { type Output, unlessReaderGone } from '../output/output.ts';
import { count } from '../output/table.ts';
import { openEnd } from '../store-end.ts';

const FLAGS = {
  queues: {
    kind: 'list',
    value: 'NAMES',
    help: 'queues that go from FROM to TO: names, patterns, @agent for an inbox; with commas or repeated',
  },
  topics: { kind: 'list', value: 'PATTERNS', help: 'topics that go from FROM to TO; with commas or repeated' },
  both: { kind: 'switch', help: 'events go from TO to FROM, too' },
  remove: { kind: 'switch', help: 'delete the events that are kept for this bridge, and forward nothing' },
} as const;

/** The least time between two lines of progress. */
const PROGRESS_MS = 1_000;

export const bridge: Command = defineCommand({
  args: ['FROM', 'TO'],
  flags: FLAGS,
  examples: [
    ['busbar bridge sqlite redis --queues build,deploy', 'forwards two queues until Ctrl-C'],
    [`busbar bridge sqlite redis --topics 'user.*' --both`, 'subscribers of both buses get the events of both'],
    [`busbar bridge sqlite redis --queues '>' --queues @worker`, 'all queues of tasks, and the inbox of an agent'],
    ['busbar bridge sqlite redis --remove', 'keeps no events any more for a bridge that has ended'],
  ],
  notes: [
    'FROM and TO are buses, as for --url. Queues go one way. Each message keeps its id, so it arrives once.',
    'It waits while a bus is away, full or frozen. A message that TO cannot hold becomes a dead letter in FROM.',
    'Requests over calls, replies, keys, presence, locks and ephemeral events are not forwarded.',
    'Ctrl-C and SIGTERM let what is under way arrive. The next run goes on with the events that came meanwhile.',
  ],
  run: async (invocation) => {
    const { args, flags, session } = invocation;
    const queues = namesOf(flags.queues).map((name) => (name.startsWith('@') ? inboxOf(name) : name));
    const topics = namesOf(flags.topics);
    if (flags.remove && queues.length + topics.length > 0) {
      throw invalid('--remove forwards nothing', 'Leave out --queues and --topics.');
    }
    await using from = await openEnd(args[0], invocation);
    await using to = await openEnd(args[1], invocation);
    const { bridgeStores, removeBridge } = await import('@busbar/compose');
    const { out, signal } = session;
    if (flags.remove) return sayRemoved(await removeBridge({ from, to }), out);
    using shown = new ShownProgress(out, `busbar: a bridge from ${from.name} to ${to.name}`);
    const options = { queues, topics, both: flags.both, signal, onProgress: shown.take };
    const done = await bridgeStores({ from, to }, options);
    await (out.json ? out.jsonLines([done]) : out.lines([`forwarded ${inWords(done)}`]));
    return DONE;
  },
});

/** Names with commas between them. */
function namesOf(given: readonly string[]): string[] {
  return given.flatMap((text) => text.split(',')).map((name) => name.trim());
}

async function sayRemoved(events: number, out: Output): Promise<number> {
  await (out.json ? out.jsonLines([{ events }]) : out.lines([`${count(events, 'event')} deleted`]));
  return DONE;
}

/** Progress on a terminal as one line that changes, else a remark when the bridge waits and when it goes on. */
class ShownProgress implements Disposable {
  readonly #out: Output;
  readonly #timer: NodeJS.Timeout;
  readonly #title: string;
  #now: BridgeProgress | undefined;
  #shown: BridgeProgress | undefined;

  constructor(out: Output, title: string) {
    this.#out = out;
    this.#title = title;
    this.#timer = setInterval(() => this.#show(), PROGRESS_MS);
  }

  readonly take = (progress: BridgeProgress): void => {
    if (this.#now === undefined) this.#out.note(this.#title);
    this.#now = progress;
  };

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #show(): void {
    const [now, before] = [this.#now, this.#shown];
    if (now === undefined || now === before) return;
    this.#shown = now;
    const out = this.#out;
    // The bridge goes on without a reader.
    if (out.json) unlessReaderGone(out.jsonLines([now])).catch((error: Error) => out.warn(error.message));
    if (now.waiting !== before?.waiting) {
      out.note(now.waiting === undefined ? 'busbar: it goes on' : `busbar: waiting: ${now.waiting}`);
    }
    out.live(`busbar: forwarded ${inWords(now)}${now.waiting === undefined ? '' : `; waiting: ${now.waiting}`}`);
  }
}

function inWords({ messages, events, dead }: BridgeProgress): string {
  const parts = `${count(messages, 'message')} and ${count(events, 'event')}`;
  return dead === 0 ? parts : `${parts}; ${count(dead, 'dead letter')} in FROM`;
}
