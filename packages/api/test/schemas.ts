/** Small schemas that implement Standard Schema. */

import type { StandardSchema } from '@busbar/api';

/** A schema for values that `is` accepts. */
export function schemaOf<T>(what: string, is: (value: unknown) => boolean): StandardSchema<T> {
  const validate = (value: unknown) =>
    is(value) ? { value: value as T } : { issues: [{ message: `expected a ${what}`, path: [] }] };
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

export const stringSchema: StandardSchema<string> = schemaOf('string', (value) => typeof value === 'string');
export const numberSchema: StandardSchema<number> = schemaOf('number', (value) => typeof value === 'number');

/** Parses a number from text. */
export const spelled: StandardSchema<string, number> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: Number(value) }) },
};

/** A schema of an object with these fields, with one issue per invalid field. */
export function objectSchema<T extends object>(fields: { [K in keyof T]: StandardSchema<T[K]> }): StandardSchema<T> {
  const validate = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return { issues: [{ message: 'expected an object' }] };
    const issues = Object.entries(fields).flatMap(([key, schema]) => {
      const result = (schema as StandardSchema)['~standard'].validate((value as Record<string, unknown>)[key]);
      if (result instanceof Promise || result.issues === undefined) return [];
      return result.issues.map(({ message }) => ({ message, path: [key] }));
    });
    return issues.length === 0 ? { value: value as T } : { issues };
  };
  return { '~standard': { version: 1, vendor: 'test', validate } };
}
