/** The words that may follow an incomplete command line. */

import type { Transport } from '@busbar/api/transport';
import { describeSchemes, isMissing, openUrl } from '../../schemes.ts';
import { type Command, findVerb, type VerbGroups } from '../command.ts';
import { TOPICS } from '../help.ts';
import { type FlagSpec, type FlagTable, takesValue } from '../input/flag-values.ts';
import { GLOBAL_FLAGS } from '../input/global-flags.ts';
import { openWithin, type Session, within } from '../session.ts';
import { SHELLS } from './scripts.ts';

/** A command line up to the word that is being typed. */
interface TypedLine {
  readonly verb: string | undefined;
  readonly command: Command | undefined;
  readonly flags: FlagTable;
  /** How many arguments the verb has. */
  readonly count: number;
  /** The flag whose value is being typed. */
  readonly pending: FlagSpec | undefined;
  /** The value of --url. */
  readonly url: string | undefined;
}

interface Completion {
  readonly verbs: VerbGroups;
  readonly session: Session;
}

/** Names come from the bus if it answers within this time, unless --timeout says otherwise. */
const NAMES_WITHIN_MS = 1_000;
/** What the bus may hold, and a shell takes as one word. */
const NAME = /^[\w@/:+~.-]+$/;

/** The words that may stand in the place of the last one of `words`, which may be empty. None after `--`. */
export async function candidates(words: readonly string[], completion: Completion): Promise<string[]> {
  const typed = words.at(-1) ?? '';
  const line = await readLine(words.slice(0, -1), completion.verbs);
  if (line === undefined) return [];
  const found = await wordsFor(typed, line, completion);
  return [...new Set(found)].filter((word) => word.startsWith(typed)).sort();
}

/** Undefined after `--`, and for an unknown verb. */
async function readLine(words: readonly string[], verbs: VerbGroups): Promise<TypedLine | undefined> {
  let [verb, command, pending, url]: [string?, Command?, FlagSpec?, string?] = [];
  let flags: FlagTable = GLOBAL_FLAGS;
  let count = 0;
  for (const word of words) {
    if (pending !== undefined) {
      if (pending === GLOBAL_FLAGS.url) url = word;
      pending = undefined;
    } else if (word === '--') return undefined;
    else if (word.startsWith('-')) {
      const spec = specOf(word, flags);
      if (spec !== undefined && takesValue(spec) === 'always') pending = spec;
    } else if (verb === undefined) {
      if (!namesOf(verbs).includes(word)) return undefined;
      verb = word;
      command = await findVerb(word, verbs).load();
      flags = { ...GLOBAL_FLAGS, ...command.flags };
    } else count += 1;
  }
  return { verb, command, flags, count, pending, url };
}

function specOf(word: string, flags: FlagTable): FlagSpec | undefined {
  if (word.startsWith('--')) return Object.hasOwn(flags, word.slice(2)) ? flags[word.slice(2)] : undefined;
  return Object.values(flags).find(({ short }) => short === word.slice(1));
}

async function wordsFor(typed: string, line: TypedLine, completion: Completion): Promise<string[]> {
  const { command, flags, pending, count, url } = line;
  if (pending !== undefined) return valuesOf(pending, url, completion);
  const [, name = ''] = /^--([a-z-]+)=/.exec(typed) ?? [];
  const spec = Object.hasOwn(flags, name) ? flags[name] : undefined;
  if (spec !== undefined) return (await valuesOf(spec, url, completion)).map((value) => `--${name}=${value}`);
  if (typed.startsWith('-')) return Object.keys(flags).map((flag) => `--${flag}`);
  if (command === undefined) return namesOf(completion.verbs);
  const { args, actions = [] } = command;
  const last = args.at(-1) ?? '';
  const arg = args[count] ?? (last.includes('...') ? last : '');
  const kinds = arg.replaceAll(/[.?]/g, '').split('|');
  // The ends of a bridge or a move are buses.
  if (args.includes('FROM') && (kinds.includes('FROM') || kinds.includes('TO'))) return busNames();
  return [...(kinds.includes('ACTION') ? actions : []), ...(await namesFor(kinds, url, completion))];
}

async function valuesOf(spec: FlagSpec, url: string | undefined, completion: Completion): Promise<string[]> {
  if (spec.kind === 'choice') return [...spec.choices];
  if (spec.value === 'BUS') return busNames();
  return namesFor((spec.value ?? '').replace(/S$/, '').split('|'), url, completion);
}

function busNames(): string[] {
  return describeSchemes().map(([names]) => names.split(',')[0] ?? '');
}

function namesOf(verbs: VerbGroups): string[] {
  return Object.values(verbs).flatMap((group) => Object.keys(group));
}

/** The names for placeholders such as AGENT and QUEUE. */
async function namesFor(kinds: readonly string[], url: string | undefined, completion: Completion): Promise<string[]> {
  const { verbs, session } = completion;
  const has = (...names: string[]): boolean => names.some((name) => kinds.includes(name));
  const fixed = [
    ...(has('VERB') ? namesOf(verbs) : []),
    ...(has('TOPIC') && has('VERB') ? Object.keys(TOPICS) : []),
    ...(has('SHELL') ? SHELLS : []),
  ];
  const agents = has('AGENT', 'TO', 'NAME');
  const queues = has('QUEUE');
  const topics = has('TOPIC', 'PATTERN') && !has('VERB');
  if (!agents && !queues && !topics) return fixed;
  const names = await withTransport(url, session, async (transport) => {
    const lists = [
      agents || queues ? await queueNames(transport, queues) : [],
      topics ? await topicNames(transport) : [],
    ];
    return lists.flat().filter((name) => NAME.test(name));
  });
  return [...fixed, ...names];
}

async function queueNames({ admin }: Transport, all: boolean): Promise<string[]> {
  const inboxes = (await admin.queues({ prefix: '$inbox.' })).map(({ name }) => name.slice('$inbox.'.length));
  if (!all) return inboxes;
  const subscriptions = (await admin.queues({ prefix: '$sub.' })).map(({ name }) => name.slice('$sub.'.length));
  const others = (await admin.queues()).map(({ name }) => name).filter((name) => !name.startsWith('$'));
  return [...inboxes, ...subscriptions, ...others];
}

async function topicNames({ admin }: Transport): Promise<string[]> {
  return (await admin.topics()).map(({ name }) => name).filter((name) => !name.startsWith('$'));
}

/** What a bus that exists knows; nothing if it does not answer soon. */
async function withTransport(
  url: string | undefined,
  session: Session,
  work: (transport: Transport) => Promise<string[]>,
): Promise<string[]> {
  const call = { timeoutMs: session.timeoutMs ?? NAMES_WITHIN_MS, signal: session.signal };
  try {
    const located = session.locate(url);
    if (await isMissing(located.url)) return [];
    const transport = await openWithin(openUrl(located.url), call);
    return await within(work(transport), call).finally(() => transport.close());
  } catch {
    // A completion has nothing to say about a bad bus.
    return [];
  }
}
