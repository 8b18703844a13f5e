/** Adds the operation and the transport to errors. */

import { toBusbarError } from '../contract/errors.ts';
import type { SendResult } from '../contract/queues.ts';

type Method = (...args: never[]) => Promise<unknown>;

/** The methods of `facet`, with errors that name the facet, the method and the transport. Every method returns a promise. */
export function withErrorContext<T extends object>(facet: T, name: string, transport: string): T {
  const located = Object.entries(facet).map(([method, run]: [string, Method]) => {
    const operation = `${name}.${method}`;
    const fail = (error: unknown): never => {
      throw toBusbarError(error).at(operation, transport);
    };
    return [method, (...args: never[]) => run(...args).catch(fail)];
  });
  return Object.fromEntries(located) as T;
}

/** The same results; their errors name the operation and the transport, too. */
export function withResultContext<T extends SendResult>(results: T[], operation: string, transport: string): T[] {
  if (results.every(({ error }) => error === undefined)) return results;
  return results.map((result) => (result.error ? { ...result, error: result.error.at(operation, transport) } : result));
}
