/** Holds a backend against what it declares, before anything is built over it. */

import type { Feature } from '../contract/capabilities.ts';
import type { AdminDriver, Driver, QueueDriver } from '../contract/driver.ts';

/** Methods of the operator's view that a feature stands for. */
const METHODS = {
  cancel: ['cancel', 'reschedule'],
  exportState: ['exportState', 'importState'],
} as const satisfies Partial<Record<Feature, readonly (keyof AdminDriver)[]>>;

/** Throws a TypeError when `backend` lacks methods that it declares, has calls that it does not declare, or has no way to receive. */
export function checkDeclared({ name, capabilities, queues, admin, calls }: Driver): void {
  if (queues.receive === undefined && (queues.claim === undefined || queues.waiting === undefined)) {
    throw new TypeError(`the backend ${name} needs either queues.receive, or queues.claim and queues.waiting`);
  }
  const { features } = capabilities;
  for (const feature of ['cancel', 'exportState'] as const) {
    const missing = METHODS[feature].find((method) => admin[method] === undefined);
    if (features[feature] && missing !== undefined) {
      throw new TypeError(`the backend ${name} declares ${feature}, and its admin has no method ${missing}`);
    }
  }
  if (features.calls === (calls !== undefined)) return;
  const how = features.calls ? 'declares calls and has none' : 'has calls and does not declare them';
  throw new TypeError(`the backend ${name} ${how}`);
}

/** The operator's view, of which {@link checkDeclared} saw that what is declared is there; the rest must not be called. */
export function declaredAdmin({ admin }: Driver): Required<AdminDriver> {
  return admin as Required<AdminDriver>;
}

/** The queues of a driver that waits by itself, as {@link checkDeclared} has seen. */
export function waitingDriver({ queues }: Driver): Pick<Required<QueueDriver>, 'receive'> {
  return queues as Required<QueueDriver>;
}

/** The queues of a driver that claims, as {@link checkDeclared} has seen. */
export function claimingDriver({ queues }: Driver): Pick<Required<QueueDriver>, 'claim'> {
  return queues as Required<QueueDriver>;
}
