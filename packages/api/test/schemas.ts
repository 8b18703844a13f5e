/** Small schemas, as any library of Standard Schema makes them. */

import type { StandardSchema } from '@busbar/api';

/** A schema of what `is` says. */
export function schemaOf<T>(what: string, is: (value: unknown) => boolean): StandardSchema<T> {
  const validate = (value: unknown) =>
    is(value) ? { value: value as T } : { issues: [{ message: `expected a ${what}`, path: [] }] };
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

export const stringSchema: StandardSchema<string> = schemaOf('string', (value) => typeof value === 'string');
export const numberSchema: StandardSchema<number> = schemaOf('number', (value) => typeof value === 'number');
