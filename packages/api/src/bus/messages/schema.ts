/** Schemas of any library that implements Standard Schema (https://standardschema.dev), version 1. */

import { BusbarError, invalid, isBusbarError } from '../../contract/errors.ts';
import { silenceAll } from '../../contract/promises.ts';
import { cutText, textOf } from '../../contract/thrown.ts';
import { describe } from '../../contract/validation.ts';
import { asReceived } from './as-received.ts';
import type { BodyCodec } from './body-codec.ts';
import { later } from './later.ts';

/** A schema. It checks an `Input` and returns an `Output`. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

type TypesOf<S extends StandardSchema> = NonNullable<S['~standard']['types']>;
/** The values that a schema takes; `unknown` without a schema. */
export type SchemaInput<S> = S extends StandardSchema ? TypesOf<S>['input'] : unknown;
/** The values that a schema gives; `unknown` without a schema. */
export type SchemaOutput<S> = S extends StandardSchema ? TypesOf<S>['output'] : unknown;

/** The result of a check. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One problem of a value. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Throws INVALID_ARGUMENT unless `schema` is undefined or a Standard Schema. */
export function checkSchema(schema: unknown, name: string): void {
  if (schema === undefined) return;
  const isSchema =
    ((typeof schema === 'object' && schema !== null) || typeof schema === 'function') && '~standard' in schema;
  const standard = isSchema ? (schema['~standard'] as { validate?: unknown }) : undefined;
  if (typeof standard?.validate === 'function') return;
  throw invalid(`${name} is not a Standard Schema: ${describe(schema)}`, 'Use a schema of zod, valibot, arktype, …');
}

/** How a mismatch is reported. */
interface MismatchOptions {
  readonly hint: string;
}

const MISMATCH: MismatchOptions = { hint: 'Compare the value with the schema of its definition.' };
const CHANGED: MismatchOptions = {
  hint: 'The codec changes the value, as JSON makes a text of a Date. Use a schema that takes both, such as z.coerce.date().',
};

/**
 * Checks `value` and returns the output of `schema`, or `value` without a schema. Throws INVALID_ARGUMENT with the issues.
 * Returns a promise only for an asynchronous schema, so sends that are not awaited keep their order.
 */
export function validate<Output>(
  schema: StandardSchema<unknown, Output> | undefined,
  value: unknown,
  what: string,
  options?: MismatchOptions,
): Output | Promise<Output> {
  if (schema === undefined) return value as Output;
  try {
    const result = schema['~standard'].validate(value);
    if (!(result instanceof Promise)) return take(result, what, options);
    return result
      .then((late) => take(late, what, options))
      .catch((error: unknown) => {
        throw unchecked(error, what);
      });
  } catch (error) {
    throw unchecked(error, what);
  }
}

/**
 * Checks `value`, which is sent, as it is and as a receiver gets it: a Date, for example, arrives as a text. Throws
 * INVALID_ARGUMENT with the issues. Returns a promise only for an asynchronous schema or codec.
 */
export function validateSent(
  bodies: BodyCodec,
  schema: StandardSchema | undefined,
  value: unknown,
  what: string,
): Promise<unknown> | undefined {
  if (schema === undefined) return undefined;
  const again = (): Promise<unknown> | undefined => {
    const received = asReceived(bodies, value);
    if (received === value) return undefined;
    const check = (late: unknown): unknown => validate(schema, late, `${what}, as a receiver gets it,`, CHANGED);
    const checked = later(received, check);
    return checked instanceof Promise ? checked : undefined;
  };
  const refuse = (error: unknown): never => {
    silenceAll(value);
    throw error;
  };
  try {
    const checked = validate(schema, value, what);
    return checked instanceof Promise ? checked.then(again).catch(refuse) : again()?.catch(refuse);
  } catch (error) {
    return refuse(error);
  }
}

/** The error of a schema that throws instead of returning issues. */
function unchecked(error: unknown, what: string): BusbarError {
  if (isBusbarError(error)) return error;
  const text = `${what} could not be checked: its schema failed`;
  return new BusbarError('INVALID_ARGUMENT', text, { hint: textOf(error), cause: error });
}

function take<Output>(result: SchemaResult<Output>, what: string, { hint } = MISMATCH): Output {
  if (result.issues === undefined) return result.value;
  const issues = cutText(result.issues.map(sayIssue).join('; '));
  throw new BusbarError('INVALID_ARGUMENT', `${what} is not valid: ${issues}`, {
    hint,
    cause: result.issues,
  });
}

function sayIssue({ path = [], message }: SchemaIssue): string {
  const place = path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
  return place === '' ? message : `${place}: ${message}`;
}
