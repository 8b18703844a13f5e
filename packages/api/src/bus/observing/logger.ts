/** The logger of a program. */

import { invalid } from '../../contract/errors.ts';
import { warnProcess } from '../../contract/process-warning.ts';
import { silence } from '../../contract/promises.ts';
import { checkCallback } from '../../contract/validation.ts';
import type { BusEvents } from './bus-events.ts';

/** Writes one line: a text, and its fields for loggers of structured lines. */
export type LogMethod = (text: string, fields: object) => unknown;

/** A logger, such as `console`. What its methods throw is ignored. */
export interface Logger {
  /** Gets the lost data of a store. Default: `warn`. */
  readonly error?: LogMethod | undefined;
  /** Gets the first failure of each place. */
  readonly warn: LogMethod;
  /** Gets changes of the connection, and agents of this bus that come and go. Default: they are not logged. */
  readonly info?: LogMethod | undefined;
  /** Gets all other failures. Default: they are not logged. */
  readonly debug?: LogMethod | undefined;
}

const METHODS = ['error', 'warn', 'info', 'debug'] as const;

/** Throws INVALID_ARGUMENT for a logger without `warn`. */
export function checkLogger(logger: Logger | undefined): void {
  if (logger === undefined) return;
  if (typeof logger !== 'object' || logger === null || logger.warn === undefined)
    throw invalid('logger has no method warn', 'Pass console, or an object with warn(text, fields).');
  for (const method of METHODS) if (logger[method] !== undefined) checkCallback(logger[method], `logger.${method}`);
}

/** Writes events of the bus at the level `info`. */
export function logEvents(events: BusEvents, logger: Logger | undefined): void {
  if (logger?.info === undefined) return;
  const write = (text: string, fields: object): void => silence(logger.info?.(text, fields));
  events.on('connection', (event) => {
    const { state, error } = event;
    write(`connection: ${state}${error === undefined ? '' : `: ${error.message}`}`, event);
  });
  events.on('agent', (event) => write(`agent ${event.agent}: ${event.state}`, event));
}

/** Without a logger: a warning of the process. */
export const processLogger: Logger = { warn: warnProcess };
