/** `busbar dead`: lists, redrives and purges dead letters. */

import type { DeadLetter, DeadLetters } from '@busbar/api';
import { invalid } from '@busbar/api/transport';
import { type Command, defineCommand, type Invocation, selectAction } from '../command.ts';
import { findQueues } from '../mail/mailbox.ts';
import { DONE, NOT_FOUND } from '../output/exit-codes.ts';
import { showValue, timeOf, valueText } from '../output/message-view.ts';
import { printableLine } from '../output/printable.ts';
import { count, tableLines } from '../output/table.ts';

const FLAGS = {
  all: { kind: 'switch', help: 'purge: delete all, without IDs; redrive: the default' },
  limit: { kind: 'integer', min: 1, max: 1000, help: 'list: at most this many (default 100)' },
} as const;

type DeadInvocation = Invocation<typeof FLAGS>;

const ACTIONS: Readonly<Record<string, (letters: DeadLetters, invocation: DeadInvocation) => Promise<number>>> = {
  list,
  ls: list,
  redrive,
  purge,
};

export const dead: Command = defineCommand({
  args: ['ACTION', 'QUEUE', 'ID...?'],
  actions: Object.keys(ACTIONS),
  flagsOfActions: { list: ['limit'], ls: ['limit'], redrive: ['all'], purge: ['all'] },
  flags: FLAGS,
  examples: [
    ['busbar dead list @worker', 'dead letters of an inbox, with reasons'],
    ['busbar dead ls build', 'the same as list'],
    ['busbar dead list build --json', 'dead letters of a task queue, with every attempt'],
    ['busbar dead redrive build', 'puts all back into the queue, with new attempts'],
    ['busbar dead redrive build ID', 'puts one back'],
    ['busbar dead purge build --all', 'deletes all'],
  ],
  run: async (invocation) => {
    const [action, queue = ''] = invocation.args;
    const { session } = invocation;
    const run = selectAction(ACTIONS, action);
    const bus = await session.bus();
    const [name = queue, ...others] = await findQueues(queue, session);
    const letters = bus.deadLetters(name);
    const code = await run(letters, invocation);
    for (const other of others) {
      const more = await bus.deadLetters(other).count(session.call);
      if (more > 0) session.out.note(`busbar: ${other} has ${count(more, 'dead letter')} too`);
    }
    return code;
  },
});

async function list(letters: DeadLetters, { args: [, , ...ids], flags, session }: DeadInvocation): Promise<number> {
  const { out, call } = session;
  const which = ids.length === 0 ? { limit: flags.limit ?? 100 } : { ids };
  const { messages, next } = await letters.browse({ ...which, ...call });
  if (out.json) await out.jsonLines(messages.map(toJson));
  else if (messages.length > 0)
    await out.lines(tableLines(['?DIED', '?#ATTEMPTS', '!ID', 'REASON', '?BODY'], messages.map(toRow), out));
  if (messages.length === 0) out.note('busbar: no dead letters');
  if (next !== undefined) out.note(`busbar: more than ${messages.length}; --limit shows more`);
  return DONE;
}

async function redrive(letters: DeadLetters, { args: [, , ...ids], flags, session }: DeadInvocation): Promise<number> {
  checkSelection(ids, flags.all);
  const amount = await letters.redrive({ ids: ids.length === 0 ? undefined : ids, ...session.call });
  return report('put back', amount, ids, session);
}

async function purge(letters: DeadLetters, { args: [, , ...ids], flags, session }: DeadInvocation): Promise<number> {
  if (ids.length === 0 && !flags.all) throw invalid('ID is missing', 'Name ids, or write --all.');
  checkSelection(ids, flags.all);
  const amount = await letters.purge({ ids: ids.length === 0 ? undefined : ids, ...session.call });
  return report('deleted', amount, ids, session);
}

function checkSelection(ids: readonly string[], isAll: boolean | undefined): void {
  if (ids.length > 0 && isAll) throw invalid('--all and ids exclude each other', 'Leave one of them out.');
}

/** Exits with 3 if a named id is not a dead letter. */
async function report(
  what: string,
  amount: number,
  ids: readonly string[],
  { out }: DeadInvocation['session'],
): Promise<number> {
  await (out.json ? out.jsonLines([{ count: amount }]) : out.lines([`${count(amount, 'message')} ${what}`]));
  const missing = new Set(ids).size - amount;
  if (missing > 0) out.warn(`${count(missing, 'id')} not found among the dead letters`);
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
  return [timeOf(diedAt), String(attempt), id, printableLine(reason, 60), printableLine(valueText(body), 200)];
}
