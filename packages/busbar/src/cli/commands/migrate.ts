/** `busbar migrate`: moves a bus to another backend while its agents work. */

import { setFlagsFromString } from 'node:v8';
import type { EndStatus, MovePlan, MoveProgress, MoveReport, MoveStatus, StoreEnd, StoreEnds } from '@busbar/compose';
import { type Command, defineCommand, type Invocation, selectAction } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { CONFLICT, DONE, UNEXPECTED } from '../output/exit-codes.ts';
import { printableLine } from '../output/printable.ts';
import { count } from '../output/table.ts';
import { openEnd } from '../store-end.ts';

const FLAGS = {
  drain: { kind: 'duration', max: 600_000, help: 'start: how long held messages may be settled (default 5s)' },
} as const;

type MigrateInvocation = Invocation<typeof FLAGS>;
type Compose = typeof import('@busbar/compose');
type Action = (ends: StoreEnds, invocation: MigrateInvocation, compose: Compose) => Promise<number>;

/** The least time between two lines of progress. */
const PROGRESS_MS = 1_000;

const ACTIONS: Readonly<Record<string, Action>> = { plan, start, status, verify, rollback, retire };

export const migrate: Command = defineCommand({
  args: ['ACTION', 'FROM', 'TO'],
  actions: Object.keys(ACTIONS),
  flagsOfActions: { plan: [], start: ['drain'], status: [], verify: [], rollback: [], retire: [] },
  flags: FLAGS,
  examples: [
    ['busbar migrate plan sqlite redis', 'what would move, what changes, how long it takes'],
    ['busbar migrate start sqlite redis', 'moves everything; agents wait for some seconds'],
    ['busbar migrate status sqlite redis', 'where the bus is, how far a move is, how long it still takes'],
    ['busbar migrate verify sqlite redis', 'compares both stores'],
    ['busbar migrate rollback sqlite redis', 'ends a move that was not completed'],
    ['busbar migrate retire sqlite redis', 'empties the source after a move'],
  ],
  notes: [
    'FROM and TO are buses, as for --url. A move back is the same with both exchanged.',
    'A move that was killed is repeated with the same command: the stores open by themselves after 10 seconds.',
    'After a move the source refuses every change, and says where the bus is. Set MESSAGE_BUS to TO.',
  ],
  run: async (invocation) => {
    const [action, from, to] = invocation.args;
    const run = selectAction(ACTIONS, action);
    await using source = await openEnd(from, invocation, { mustExist: true });
    await using target = await openEnd(to, invocation, { mustExist: run !== plan && run !== start });
    return await run({ from: source, to: target }, invocation, await import('@busbar/compose'));
  },
});

async function plan(ends: StoreEnds, { session }: MigrateInvocation, { planMove }: Compose): Promise<number> {
  const { out, signal } = session;
  const planned = await planMove(ends, { signal });
  await (out.json ? out.jsonLines([planned]) : out.lines(planLines(ends, planned)));
  return planned.problems.length === 0 ? DONE : CONFLICT;
}

function planLines({ from, to }: StoreEnds, planned: MovePlan): string[] {
  const { problems, changes, records, bytes, copyMs, pauseMs } = planned;
  const lines = [`from    ${from.name}`, `to      ${to.name}`];
  lines.push(`moves   ${inWords(records)}; ${Math.ceil(bytes / 1024)} KiB of bodies`);
  lines.push(
    `takes   about ${formatDuration(copyMs + pauseMs)}: ${formatDuration(copyMs)} while agents work, then the pause`,
  );
  lines.push(`pause   about ${formatDuration(pauseMs)}, and the time for held messages`);
  for (const change of changes) lines.push(`change  ${printableLine(change)}`);
  for (const { text, hint } of problems) lines.push(`problem ${printableLine(text)}`, `        ${printableLine(hint)}`);
  return lines;
}

async function start(ends: StoreEnds, { flags, session }: MigrateInvocation, { moveBus }: Compose): Promise<number> {
  const { out, signal } = session;
  keepMemorySmall();
  const report = await moveBus(ends, {
    signal,
    ...(flags.drain !== undefined && { drainMs: flags.drain }),
    onProgress: sayProgress((text) => out.note(text)),
  });
  await (out.json ? out.jsonLines([report]) : out.lines(reportLines(ends, report)));
  return DONE;
}

/** Says each step and, while it lasts, how far it is. */
function sayProgress(say: (text: string) => void): (progress: MoveProgress) => void {
  let step = '';
  let said = 0;
  return (progress) => {
    const now = performance.now();
    if (progress.step === step && now - said < PROGRESS_MS) return;
    step = progress.step;
    said = now;
    const done = progress.records === 0 ? '' : `: ${count(progress.records, 'record')}`;
    say(`busbar: ${step}${done}; about ${formatDuration(progress.leftMs)} left`);
  };
}

/** A move makes much garbage and keeps little. V8 would let both its old and its young objects grow to more than 100 MiB. */
function keepMemorySmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=50');
}

function reportLines({ to }: StoreEnds, { records, pauseMs, estimated, ms, redelivered }: MoveReport): string[] {
  const tookMs = Object.values(ms).reduce((sum, took) => sum + took, 0);
  const steps = Object.entries(ms).map(([step, took]) => `${step} ${formatDuration(took)}`);
  const lines = [
    `moved   ${inWords(records)}`,
    `to      ${to.name}`,
    `pause   ${formatDuration(pauseMs)} of ${formatDuration(tookMs)}; estimated ${formatDuration(estimated.pauseMs)} of ${formatDuration(estimated.copyMs + estimated.pauseMs)}`,
    `steps   ${steps.join(', ')}`,
  ];
  if (redelivered.count > 0)
    lines.push(`again   ${count(redelivered.count, 'held message')}: ${redelivered.ids.join(' ')}`);
  lines.push(`next    set MESSAGE_BUS to ${to.name}`);
  return lines;
}

async function status(
  ends: StoreEnds,
  { session: { out } }: MigrateInvocation,
  { moveStatus }: Compose,
): Promise<number> {
  const found = await moveStatus(ends);
  if (out.json) await out.jsonLines([found]);
  else
    await out.lines([
      moveLine(found),
      `from    ${endLine(ends.from, found.from)}`,
      `to      ${endLine(ends.to, found.to)}`,
    ]);
  return DONE;
}

function moveLine({ move, progress }: MoveStatus): string {
  if (move === 'none') return 'no move';
  if (move === 'done') return 'the bus has moved';
  if (progress === undefined) return 'a move was ended before its cutover';
  const { step, elapsedMs, leftMs } = progress;
  return `a move is under way: ${step}, ${formatDuration(elapsedMs)} so far, about ${formatDuration(leftMs)} left`;
}

function endLine({ name }: StoreEnd, { state, contents: { messages, events } }: EndStatus): string {
  return `${state}  ${name}  ${count(messages, 'message')}, ${count(events, 'event')}`;
}

async function verify(ends: StoreEnds, { session }: MigrateInvocation, { compareStores }: Compose): Promise<number> {
  const { out, signal } = session;
  const differences = await compareStores(ends, { signal });
  if (out.json) await out.jsonLines([{ differences }]);
  else
    await out.lines(differences.length === 0 ? ['both hold the same'] : differences.map((each) => printableLine(each)));
  return differences.length === 0 ? DONE : UNEXPECTED;
}

async function rollback(
  ends: StoreEnds,
  { session: { out } }: MigrateInvocation,
  { rollBack }: Compose,
): Promise<number> {
  await rollBack(ends);
  await out.lines(out.json ? ['{}'] : [`the bus is in ${ends.from.name}`]);
  return DONE;
}

async function retire(
  { from }: StoreEnds,
  { session: { out } }: MigrateInvocation,
  { retire: empty }: Compose,
): Promise<number> {
  await empty(from);
  await out.lines(out.json ? ['{}'] : [`${from.name} is empty`]);
  return DONE;
}

function inWords({ queues, messages, events, keys, bindings, ids }: MovePlan['records']): string {
  const parts = [count(messages, 'message'), count(queues, 'queue'), count(events, 'event'), count(keys, 'key')];
  return [...parts, count(bindings, 'binding'), `${ids} remembered ids`].join(', ');
}
