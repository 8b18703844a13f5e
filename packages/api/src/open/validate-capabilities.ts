/** Checks that a driver has what it declares. */

import type { Feature } from '../contract/capabilities.ts';
import type { AdminDriver, Driver, QueueDriver } from '../contract/driver.ts';

/** The admin methods of each feature. */
const METHODS = {
  cancel: ['cancel', 'reschedule'],
  exportState: ['exportState', 'importState'],
  gate: ['gate', 'setGate'],
} as const satisfies Partial<Record<Feature, readonly (keyof AdminDriver)[]>>;

/** Throws a TypeError when a driver lacks a declared method, has calls that it does not declare, or cannot receive. */
export function validateCapabilities({ name, capabilities, queues, admin, calls }: Driver): void {
  if (queues.receive === undefined && (queues.claim === undefined || queues.waiting === undefined)) {
    throw new TypeError(`the driver ${name} needs either queues.receive, or queues.claim and queues.waiting`);
  }
  if (queues.waiting !== undefined && queues.claim === undefined) {
    throw new TypeError(`the driver ${name} has queues.waiting, and its queues have no method claim`);
  }
  const { features } = capabilities;
  for (const feature of ['cancel', 'exportState', 'gate'] as const) {
    const missing = METHODS[feature].find((method) => admin[method] === undefined);
    if (features[feature] && missing !== undefined) {
      throw new TypeError(`the driver ${name} declares ${feature}, and its admin has no method ${missing}`);
    }
  }
  if (features.calls === (calls !== undefined)) return;
  const how = features.calls ? 'declares calls and has none' : 'has calls and does not declare them';
  throw new TypeError(`the driver ${name} ${how}`);
}

/** The admin facet of a driver. Only methods of declared features may be called: {@link validateCapabilities} has checked those. */
export function declaredAdmin({ admin }: Driver): Required<AdminDriver> {
  return admin as Required<AdminDriver>;
}

/** The queues of a driver: with `claim` where it has `waiting`, else with `receive`. {@link validateCapabilities} has checked it. */
export function declaredQueues({ queues }: Driver): Required<QueueDriver> {
  return queues as Required<QueueDriver>;
}
