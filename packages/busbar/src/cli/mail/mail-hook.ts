/** `busbar inbox --hook`: tells the session of a coding agent of its mail, and wakes it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isBusbarError } from '@busbar/api/transport';
import { hookOutput, WAKES, wentOn } from '../agent-hooks.ts';
import { DONE } from '../output/exit-codes.ts';
import { count } from '../output/table.ts';
import type { Session } from '../session.ts';
import { findMailbox } from './mailbox.ts';
import { becomeWaiter, type HookSession, noteTold, readyIds, toldIds } from './told-mail.ts';

/** How long a hook may delay its session. Behind it, the hooks of one event have told what they found. */
const HOOK_MS = 3_000;
/** How often a hook in the background looks. */
const LOOK_MS = 1_000;

interface HookEvent {
  readonly name: string;
  /** The session went on already because of a hook. */
  readonly isRepeated: boolean;
  readonly sessionId: string;
}

/** Prints context for the model; at the end of a turn, a reason to go on. */
export async function lookOnce(agent: string, session: Session): Promise<number> {
  const [event, box] = await within(Promise.all([readEvent(session), findMailbox(agent, session)]));
  if (box === undefined || box.ready === 0) return DONE;
  const transport = await session.transport();
  const told: HookSession = { agent, id: event.sessionId };
  const ids = await within(readyIds(agent, transport));
  if (event.isRepeated) {
    const before = await within(toldIds(told, transport));
    if (before === undefined || ids.every((id) => before.has(id))) return DONE;
  }
  await session.out.jsonLines([hookOutput(event.name, textOf(agent, box.ready))]);
  await within(noteTold(told, ids, transport));
  return DONE;
}

/** Waits for mail that the session was not told of. The exit code and stderr then wake it. */
export async function waitForMail(agent: string, waitMs: number, session: Session): Promise<number> {
  const { signal, out } = session;
  const end = performance.now() + waitMs;
  const { sessionId: id } = await within(readEvent(session));
  session.endWithReader();
  await session.untilBusExists({ maxMs: waitMs, isQuiet: true });
  if (signal.aborted || performance.now() >= end) return DONE;
  const transport = await session.transport();
  const told: HookSession = { agent, id };
  const isWaiter = await becomeWaiter(told, end - performance.now(), transport);
  const look = async (): Promise<number | undefined> => {
    if (!(await isWaiter())) return DONE;
    const ready = (await findMailbox(agent, session))?.ready ?? 0;
    if (ready === 0) return undefined;
    const ids = await readyIds(agent, transport);
    const before = await toldIds(told, transport);
    if (ids.every((one) => before?.has(one))) return undefined;
    await noteTold(told, ids, transport);
    out.errorLines([textOf(agent, ready)]);
    return WAKES;
  };
  for (let pauseMs = HOOK_MS; ; pauseMs = LOOK_MS) {
    await sleep(Math.max(0, Math.min(pauseMs, end - performance.now())), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return DONE;
    const code = await look().catch(unlessAway);
    if (code !== undefined) return code;
    if (performance.now() >= end) return DONE;
  }
}

function textOf(agent: string, ready: number): string {
  return `${count(ready, 'unread message')} for ${agent} on the bus. Read one with: busbar recv ${agent} --json`;
}

/** A server that is away may come back. */
function unlessAway(error: unknown): undefined {
  if (!isBusbarError(error) || (error.code !== 'UNAVAILABLE' && error.code !== 'TIMEOUT')) throw error;
}

function within<T>(work: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error('too late')), HOOK_MS).unref();
  });
  return Promise.race([work, late]);
}

/** The event that the coding agent writes to stdin. Without one it is the start of a session. */
async function readEvent({ signal }: Session): Promise<HookEvent> {
  const { isPiped, readStdin } = await import('../input/body.ts');
  const text = isPiped() ? await readStdin({ signal }) : '';
  const input = (text.trim() === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  const name = input['hook_event_name'];
  const sessionId = input['session_id'] ?? input['conversation_id'];
  return {
    name: typeof name === 'string' ? name : 'SessionStart',
    isRepeated: wentOn(input),
    sessionId: typeof sessionId === 'string' ? sessionId : '',
  };
}
