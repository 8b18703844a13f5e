/** Failures that no caller waits for, and their places. */

import type { BusbarError } from '../../contract/errors.ts';
import type { MessageSource } from './message-source.ts';

/**
 * What failed: a handler or the consumer of a `task`, a `message`, a `request` or an `event`; the renewal of a `heartbeat` or a
 * `lock`; a `settlement`; the `presence` or the `log` of an agent; a `schedule`; the `store`, which lost data; a part of the
 * `close` of the bus; a `listener` of an event of the bus; `background` work of the transport, such as its maintenance.
 */
export type FailureKind =
  | 'task'
  | 'message'
  | 'request'
  | 'event'
  | 'heartbeat'
  | 'lock'
  | 'settlement'
  | 'presence'
  | 'log'
  | 'schedule'
  | 'store'
  | 'close'
  | 'listener'
  | 'background';

/** The place of a failure. Fields that do not apply are left out. */
export interface FailurePlace extends Omit<MessageSource, 'kind'> {
  readonly kind: FailureKind;
  /** The name of a schedule. */
  readonly schedule?: string | undefined;
  /** The work of the transport, such as `maintenance`. */
  readonly work?: string | undefined;
  /** The type of a request. */
  readonly type?: string | undefined;
  /** The id of the message, the request, the event or the task. */
  readonly id?: string | undefined;
  /** The attempt that failed, 1 for the first. */
  readonly attempt?: number | undefined;
}

/** A failure that no caller waits for. */
export interface BackgroundFailure extends FailurePlace {
  readonly error: BusbarError;
  /** The place in words, such as `inbox @service.auth`. It names no single message, so few failures differ in it. */
  readonly place: string;
}

/** Receives a failure that no caller waits for. */
export type ErrorListener = (failure: BackgroundFailure) => void;

/** The place in words. */
export function describePlace({ kind, queue, agent, subscription, schedule, work, type }: FailurePlace): string {
  switch (kind) {
    case 'task':
      return `tasks of ${queue}`;
    case 'message':
      return `inbox ${agent}`;
    case 'event':
      return `subscription ${subscription}`;
    case 'schedule':
      return schedule === undefined ? 'schedules' : `schedule ${schedule}`;
    case 'background':
      return `background ${work}`;
    case 'request':
      if (agent === undefined) return 'requests';
      return type === undefined ? `requests of ${agent}` : `request ${type} of ${agent}`;
    default:
      return agent === undefined ? kind : `${kind} ${agent}`;
  }
}
