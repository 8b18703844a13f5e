/** `busbar dead`: the messages that were given up. */

import type { DeadLetter, DeadLetters } from '@busbar/api';
import { invalid, quote } from '@busbar/api/transport';
import { didYouMean } from '../../nearest.ts';
import { type Command, defineCommand, type Invocation } from '../command.ts';
import { DONE, NOT_FOUND } from '../output/exit-codes.ts';
import { showValue, timeOf, valueText } from '../output/message-view.ts';
import { printableLine } from '../output/printable.ts';
import { count, tableLines } from '../output/table.ts';
import { notFound } from '../session.ts';

const FLAGS = {
  all: { kind: 'switch', help: 'purge: all of them, where no ID is given' },
  limit: { kind: 'integer', min: 1, max: 1000, help: 'list: at most so many (default 100)' },
} as const;

type Use = Invocation<typeof FLAGS>;

const ACTIONS: Readonly<Record<string, (letters: DeadLetters, use: Use) => Promise<number>>> = {
  list,
  redrive,
  purge,
};

export const dead: Command = defineCommand({
  args: ['ACTION', 'QUEUE', 'ID...?'],
  flags: FLAGS,
  examples: [
    ['busbar dead list @worker', 'what was given up in an inbox, and why'],
    ['busbar dead list build --json', 'the same of a queue of tasks, with every attempt'],
    ['busbar dead redrive build', 'puts all of them back, with fresh attempts'],
    ['busbar dead redrive build ID', 'puts one back'],
    ['busbar dead purge build --all', 'throws them away for good'],
  ],
  run: async (use) => {
    const [action = '', queue = ''] = use.args;
    const run = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
    const names = Object.keys(ACTIONS);
    if (run === undefined) {
      throw invalid(
        `unknown action ${quote(action)}`,
        `${didYouMean(action, names)}The actions are ${names.join(', ')}.`,
      );
    }
    const bus = await use.session.bus();
    const letters = bus.deadLetters(queue);
    const known = await bus.transport.admin.queues({ names: [letters.queue], ...use.session.call });
    if (known.length === 0) throw notFound('queue', queue, 'busbar stats lists the queues.');
    return run(letters, use);
  },
});

async function list(letters: DeadLetters, { args: [, , ...ids], flags, session }: Use): Promise<number> {
  const { out, call } = session;
  const which = ids.length === 0 ? { limit: flags.limit ?? 100 } : { ids };
  const { messages, next } = await letters.browse({ ...which, ...call });
  if (out.json) await out.jsonLines(messages.map(toJson));
  else if (messages.length > 0)
    await out.lines(tableLines(['DIED', '#ATTEMPTS', 'ID', 'REASON', 'BODY'], messages.map(toRow), out));
  if (messages.length === 0) out.note('busbar: no dead letters');
  if (next !== undefined) out.note(`busbar: there are more than ${messages.length}; --limit shows more`);
  return DONE;
}

async function redrive(letters: DeadLetters, { args: [, , ...ids], session }: Use): Promise<number> {
  const amount = await letters.redrive({ ...(ids.length === 0 ? {} : { ids }), ...session.call });
  return tell('put back', amount, ids, session);
}

async function purge(letters: DeadLetters, { args: [, , ...ids], flags, session }: Use): Promise<number> {
  if (ids.length === 0 && !flags.all) throw invalid('no ID is given', 'Name the ids, or write --all for all of them.');
  if (ids.length > 0 && flags.all) throw invalid('--all goes without ids', 'Leave out one of them.');
  const amount = await letters.purge({ ...(ids.length === 0 ? {} : { ids }), ...session.call });
  return tell('thrown away', amount, ids, session);
}

/** Ids that were named and are not among the dead letters are missing (3). */
async function tell(what: string, amount: number, ids: readonly string[], { out }: Use['session']): Promise<number> {
  await (out.json ? out.jsonLines([{ count: amount }]) : out.lines([`${count(amount, 'message')} ${what}`]));
  const missing = new Set(ids).size - amount;
  if (missing > 0) out.warn(`${missing} of the ids ${missing === 1 ? 'is' : 'are'} not among the dead letters`);
  return missing > 0 ? NOT_FOUND : DONE;
}

function toJson({ diedAt, history, body, sentAt, ...letter }: DeadLetter): unknown {
  return {
    ...letter,
    body: showValue(body),
    sentAt: new Date(sentAt).toISOString(),
    diedAt: new Date(diedAt).toISOString(),
    history: history.map((record) => ({ ...record, endedAt: new Date(record.endedAt).toISOString() })),
  };
}

function toRow({ id, attempt, diedAt, reason, body }: DeadLetter): string[] {
  return [timeOf(diedAt), String(attempt), id, printableLine(reason, 60), printableLine(valueText(body))];
}
