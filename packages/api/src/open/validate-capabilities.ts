/** Holds a backend against what it declares, before anything is built over it. */

import type { Feature } from '../contract/capabilities.ts';
import type { AdminDriver, Driver } from '../contract/driver.ts';

/** Methods of the operator's view that a feature stands for. */
const METHODS = {
  cancel: ['cancel', 'reschedule'],
  exportState: ['exportState', 'importState'],
} as const satisfies Partial<Record<Feature, readonly (keyof AdminDriver)[]>>;

/** Throws a TypeError where `backend` declares a feature and has no method for it, or calls that it does not declare. */
export function checkDeclared({ name, capabilities, admin, calls }: Driver): void {
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
