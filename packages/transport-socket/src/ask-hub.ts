/** What operators ask of a hub itself: how it is, and to end. Never starts one. */

import { setTimeout as sleep } from 'node:timers/promises';
import { BusbarError } from '@busbar/api/transport';
import { HubLine } from './client/hub-line.ts';
import { readClientUrl } from './client-url.ts';
import type { HubStatus } from './hub/reply.ts';
import type { ClientLink } from './link.ts';
import { toLinkSettings } from './options.ts';

const STOP_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 10;

/** How the hub at `url` is. Rejects with UNAVAILABLE where none listens. */
export async function hubStatus(url: string): Promise<HubStatus> {
  return (await ask((await readClientUrl(url)).link, 'hub.status')) as HubStatus;
}

/** Ends the hub at `url` in order; resolves once nobody listens there. False where nobody did. */
export async function stopHub(url: string): Promise<boolean> {
  const { link } = await readClientUrl(url);
  try {
    const { hub } = (await ask(link, 'hub.stop')) as { hub: string };
    for (const until = performance.now() + STOP_WITHIN_MS; performance.now() < until; ) {
      if ((await whoListens(link)) !== hub) return true;
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
    return ((await ask(link, 'hub.status')) as HubStatus).hub;
  } catch {
    return undefined;
  }
}

async function ask(link: ClientLink, op: string): Promise<unknown> {
  const { heartbeatMs } = toLinkSettings({});
  const deaf = { onResumed: () => undefined, onCall: () => undefined, onLost: () => undefined };
  const line = new HubLine({ link, introduction: { heartbeatMs }, connectTimeoutMs: 1_000 }, deaf);
  try {
    await line.open();
    const { head } = await line.request({ op, head: {}, deadline: performance.now() + 5_000, whenLost: 'failed' });
    return head;
  } finally {
    await line.close();
  }
}
