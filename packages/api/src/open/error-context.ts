/** Errors say where they arose: the operation and the transport. */

import { toBusbarError } from '../contract/errors.ts';
import type { SendResult } from '../contract/transport.ts';

type Method = (...args: never[]) => Promise<unknown>;

/** The same methods, each of whose errors says the facet, the method and the transport. All of them return promises. */
export function locate<T extends object>(facet: T, name: string, transport: string): T {
  const located = Object.entries(facet).map(([method, run]: [string, Method]) => {
    const operation = `${name}.${method}`;
    const fail = (error: unknown): never => {
      throw toBusbarError(error).at(operation, transport);
    };
    return [method, (...args: never[]) => run(...args).catch(fail)];
  });
  return Object.fromEntries(located) as T;
}

/** The same results, the errors among them located too. */
export function locateResults<T extends SendResult>(results: T[], operation: string, transport: string): T[] {
  if (results.every(({ error }) => error === undefined)) return results;
  return results.map((result) => (result.error ? { ...result, error: result.error.at(operation, transport) } : result));
}
