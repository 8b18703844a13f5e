/** Status and stop of a hub, for operators. Neither starts one. */

import { setTimeout as sleep } from 'node:timers/promises';
import { decodeError } from '@busbar/api/driver';
import { BusbarError, isBusbarError } from '@busbar/api/transport';
import { connectionLost, FRAME, type Frame, frame, HEARTBEAT_MS, type Header } from '@busbar/wire';
import type { ClientLink } from '../links/link.ts';
import { parseHubUrl } from '../links/link-schemes.ts';
import { withTimeoutSignal } from '../links/timeout-signal.ts';
import type { HubStatus } from '../wire/protocol.ts';
import { HubConnection } from './hub-connection.ts';

const STOP_TIMEOUT_MS = 10_000;
const POLL_MS = 10;
const RESPONSE_TIMEOUT_MS = 5_000;
const REQUEST_ID = 1;

/** The status of the hub at `url`. Rejects with UNAVAILABLE if none listens. */
export async function hubStatus(url: string): Promise<HubStatus> {
  return (await request((await parseHubUrl(url)).link, 'hub.status')) as unknown as HubStatus;
}

/** Stops the hub at `url` in order. Resolves when it no longer listens; with false if none listened. */
export async function stopHub(url: string): Promise<boolean> {
  const { link, localHub } = await parseHubUrl(url);
  const isGone = async (hub: unknown): Promise<boolean> =>
    localHub === undefined ? (await findHubId(link)) !== hub : !(await localHub.isListening(localHub.path));
  try {
    const { hub } = await request(link, 'hub.stop');
    for (const until = performance.now() + STOP_TIMEOUT_MS; performance.now() < until; ) {
      if (await isGone(hub)) return true;
      await sleep(POLL_MS);
    }
  } catch (error) {
    if (isBusbarError(error) && error.code === 'UNAVAILABLE') return false;
    throw error;
  }
  throw new BusbarError('TIMEOUT', 'the hub did not stop in time', {
    hint: 'Check the load of the hub, or kill its process.',
  });
}

async function findHubId(link: ClientLink): Promise<unknown> {
  try {
    return (await request(link, 'hub.status'))['hub'];
  } catch {
    return undefined;
  }
}

function request(link: ClientLink, op: string): Promise<Header> {
  return withTimeoutSignal(RESPONSE_TIMEOUT_MS, undefined, (signal) => requestOnce(link, op, signal));
}

async function requestOnce(link: ClientLink, op: string, signal: AbortSignal): Promise<Header> {
  const { promise, resolve, reject } = Promise.withResolvers<Header>();
  const onFrame = ({ type, id, header }: Frame): void => {
    // The hub tells each client of its store, too.
    if (id !== REQUEST_ID) return;
    if (type === FRAME.response) resolve(header);
    else reject(decodeError(header));
  };
  const events = { onFrame, onEnd: (_: unknown, error: BusbarError) => reject(error) };
  const connection = await HubConnection.open(link, { heartbeatMs: HEARTBEAT_MS }, events, signal);
  const onAbort = (): void => reject(connectionLost('the hub did not respond in time'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    connection.send(frame(FRAME.request, REQUEST_ID, { op }));
    return await promise;
  } finally {
    await connection.close();
  }
}
