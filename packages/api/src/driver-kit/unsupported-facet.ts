/** Facets of a driver that are not written yet. */

import type { Driver } from '../contract/driver.ts';
import { BusbarError } from '../contract/errors.ts';

/** The facets that every driver has. */
export type FacetName = 'queues' | 'topics' | 'kv' | 'admin';

const METHODS: { readonly [Name in FacetName]: readonly (keyof Driver[Name])[] } = {
  queues: ['send', 'receive', 'claim', 'settle', 'configure'],
  topics: ['publish', 'open', 'bind', 'unbind'],
  kv: ['get', 'put', 'touch', 'delete', 'list', 'watch'],
  admin: [
    'queues',
    'topics',
    'bindings',
    'browse',
    'redrive',
    'purge',
    'cancel',
    'reschedule',
    'deleteQueue',
    'clear',
    'exportState',
    'importState',
    'gate',
    'setGate',
  ],
};

/**
 * A facet whose methods reject with UNSUPPORTED, so that the suite runs on a driver that is half written. Spread it and
 * write one method after the other: `{ ...unsupportedFacet('queues'), send }`.
 */
export function unsupportedFacet<Name extends FacetName>(name: Name): Driver[Name] {
  const methods = METHODS[name].map((method) => {
    const operation = `${name}.${String(method)}`;
    const reject = (): Promise<never> => {
      const text = `this transport has no ${operation}`;
      return Promise.reject(new BusbarError('UNSUPPORTED', text, { operation, hint: 'Choose another backend.' }));
    };
    return [method, method === 'exportState' ? () => rejecting(reject) : reject];
  });
  return Object.fromEntries(methods) as Driver[Name];
}

/** An async iterable whose first item rejects. */
function rejecting(next: () => Promise<never>): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next }) };
}
