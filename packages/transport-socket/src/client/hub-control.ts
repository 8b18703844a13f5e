/** What operators ask of a hub itself: how it is, and to end. Never starts one. */

import { setTimeout as sleep } from 'node:timers/promises';
import { BusbarError } from '@busbar/api/transport';
import type { HubStatus } from '../hub/operations/operation.ts';
import { readClientUrl } from '../links/client-url.ts';
import type { ClientLink } from '../links/link.ts';
import { TimeBound } from '../links/timeout-signal.ts';
import { lost } from '../links/unix/unix-connection.ts';
import { readError } from '../wire/error-codec.ts';
import { FRAME, type Frame, frame, type Head } from '../wire/frame.ts';
import { HEARTBEAT_MS } from '../wire/protocol.ts';
import { Conversation } from './hub-connection.ts';

const STOP_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 10;
const ANSWER_MS = 5_000;

/** How the hub at `url` is. Rejects with UNAVAILABLE where none listens. */
export async function hubStatus(url: string): Promise<HubStatus> {
  return (await ask((await readClientUrl(url)).link, 'hub.status')) as unknown as HubStatus;
}

/** Ends the hub at `url` in order; resolves once nobody listens there. False where nobody did. */
export async function stopHub(url: string): Promise<boolean> {
  const { link, own } = await readClientUrl(url);
  const isGone = async (hub: unknown): Promise<boolean> =>
    own === undefined ? (await whoListens(link)) !== hub : !(await own.isListening(own.path));
  try {
    const { hub } = await ask(link, 'hub.stop');
    for (const until = performance.now() + STOP_WITHIN_MS; performance.now() < until; ) {
      if (await isGone(hub)) return true;
      await sleep(LOOK_EVERY_MS);
    }
  } catch (error) {
    if (error instanceof BusbarError && error.code === 'UNAVAILABLE') return false;
    throw error;
  }
  throw new BusbarError('TIMEOUT', 'the hub did not end in time', { hint: 'See what it is busy with, or kill it.' });
}

async function whoListens(link: ClientLink): Promise<unknown> {
  try {
    return (await ask(link, 'hub.status'))['hub'];
  } catch {
    return undefined;
  }
}

async function ask(link: ClientLink, op: string): Promise<Head> {
  using bound = new TimeBound(ANSWER_MS);
  const answer = Promise.withResolvers<Head>();
  const hear = ({ type, head }: Frame): void =>
    type === FRAME.answer ? answer.resolve(head) : answer.reject(readError(head));
  const events = { onFrame: hear, onEnd: (_: unknown, error: BusbarError) => answer.reject(error) };
  const conversation = await Conversation.begin(link, { heartbeatMs: HEARTBEAT_MS }, events, bound.signal);
  bound.signal.addEventListener('abort', () => answer.reject(lost('the hub did not answer in time')), { once: true });
  try {
    conversation.send(frame(FRAME.request, 1, { op }));
    return await answer.promise;
  } finally {
    await conversation.close();
  }
}
