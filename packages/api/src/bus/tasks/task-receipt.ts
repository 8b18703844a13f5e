/** Receipts of tasks: the receipt of the delivery, with what the record of the task needs. */

import { invalid } from '../../contract/errors.ts';
import { describe } from '../../contract/validation.ts';

/** What a receipt of a task says. */
export interface TaskReceipt {
  readonly id: string;
  readonly queue: string;
  readonly sentAt: number;
  readonly attempt: number;
  /** The receipt of the delivery, for the transport. */
  readonly receipt: string;
}

// `=` is in no name of a queue, so no receipt of a driver begins like this.
const FORM = /^task=([^=]+)=([0-9a-z]{1,10})\.([0-9a-z]{1,6})=(.+)$/s;

/** The receipt as one word. */
export function toTaskReceipt({ id, sentAt, attempt, receipt }: Omit<TaskReceipt, 'queue'>): string {
  const name = encodeURIComponent(id).replaceAll(/[!'()*~]/g, (one) => `%${one.charCodeAt(0).toString(16)}`);
  return `task=${name}=${Math.max(0, Math.floor(sentAt)).toString(36)}.${attempt.toString(36)}=${receipt}`;
}

/** Reads a receipt. Throws INVALID_ARGUMENT for another text. */
export function readTaskReceipt(text: unknown): TaskReceipt {
  const [, name = '', sentAt = '', attempt = '', receipt = ''] = (typeof text === 'string' && FORM.exec(text)) || [];
  const id = decode(name);
  if (id === '') throw invalid(`illegal receipt of a task: ${describe(text)}`, 'Use the receipt that takeTasks gave.');
  const queue = id.slice(0, Math.max(0, id.indexOf('#')));
  return { id, queue, sentAt: Number.parseInt(sentAt, 36), attempt: Number.parseInt(attempt, 36), receipt };
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return '';
  }
}
