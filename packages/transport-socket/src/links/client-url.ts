/** Where a hub is, from a URL: one row for each kind of link, loaded when asked for. */

import { invalid, quote } from '@busbar/api/transport';
import type { ClientPlan } from './connect-config.ts';
import { unixPlan } from './unix/unix-url.ts';

const PLANS: Readonly<Record<string, (url: string) => Promise<ClientPlan>>> = {
  unix: async (url) => unixPlan(url),
  zmq: zmqPlan,
  zeromq: zmqPlan,
  ws: wsPlan,
  websocket: wsPlan,
  wss: wsPlan,
};

/** How to reach the hub at `url`. Rejects with INVALID_ARGUMENT where that is no URL of a hub. */
export async function readClientUrl(url: string): Promise<ClientPlan> {
  const scheme = /^([a-z]+):/i.exec(url)?.[1]?.toLowerCase() ?? '';
  const plan = Object.hasOwn(PLANS, scheme) ? PLANS[scheme] : undefined;
  if (plan !== undefined) return plan(url);
  throw invalid(`there is no hub at ${quote(url)}`, `Use a URL of ${Object.keys(PLANS).join(', ')}.`);
}

async function zmqPlan(url: string): Promise<ClientPlan> {
  return (await import('./zmq/zmq-url.ts')).zmqPlan(url);
}

async function wsPlan(url: string): Promise<ClientPlan> {
  return (await import('./ws/ws-url.ts')).wsPlan(url);
}
