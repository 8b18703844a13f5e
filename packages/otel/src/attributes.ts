/** Names of attributes and of spans, by the semantic conventions for messaging. */

import type { MessageSource, OutgoingMessage, ReceivedMessage } from '@busbar/api';
import type { Attributes } from '@opentelemetry/api';

/** The header of messages that a schedule sends. */
export const SCHEDULE = 'schedule-name';

/** What an operation does to a message. */
export type OperationType = 'send' | 'receive' | 'process' | 'settle';

/** Attributes of one operation. `name` is the method of the API, such as `enqueue`. */
export function operation(name: string, type: OperationType): Attributes {
  return { 'messaging.system': 'busbar', 'messaging.operation.name': name, 'messaging.operation.type': type };
}

/** The name of a span: the operation, and what few messages differ in. An agent or a topic may be one of very many. */
export function spanName(operationName: string, subject: string | undefined): string {
  return subject === undefined || subject === '' ? operationName : `${operationName} ${subject}`;
}

/** What few messages differ in: the queue of a task, the type of a message or a request; nothing of an event. */
export function subjectOfOutgoing({ kind, target, type }: OutgoingMessage): string | undefined {
  return kind === 'enqueue' ? target : type;
}

/** The same of a message that is handled; of an event its subscription. */
export function subjectOfSource({ queue, subscription }: MessageSource, type: string | undefined): string | undefined {
  return queue ?? subscription ?? type;
}

/** Attributes of a message before it is sent. */
export function outgoingAttributes({ target, type, from, headers }: OutgoingMessage): Attributes {
  const schedule = headers[SCHEDULE];
  return {
    'messaging.destination.name': target,
    ...(type !== undefined && { 'busbar.message.type': type }),
    ...(from !== undefined && { 'busbar.message.from': from }),
    ...(schedule !== undefined && { 'busbar.schedule': schedule }),
  };
}

/** Attributes of a message that a handler gets. */
export function receivedAttributes(received: ReceivedMessage, source: MessageSource): Attributes {
  const { id, type, from, topic, correlationId, attempt } = received;
  return {
    ...sourceAttributes(source),
    ...(topic !== undefined && { 'messaging.destination.name': topic }),
    'messaging.message.id': id,
    'busbar.attempt': attempt,
    ...(type !== undefined && { 'busbar.message.type': type }),
    ...(from !== undefined && { 'busbar.message.from': from }),
    ...(correlationId !== undefined && { 'messaging.message.conversation_id': correlationId }),
  };
}

/** Attributes of the place where messages are received. */
export function sourceAttributes({ kind, queue, agent, subscription }: MessageSource): Attributes {
  const destination = queue ?? agent;
  return {
    'busbar.kind': kind,
    ...(destination !== undefined && { 'messaging.destination.name': destination }),
    ...(subscription !== undefined && { 'messaging.destination.subscription.name': subscription }),
  };
}

/** Whether a handler threw a RetryError that postpones its message, which is no failure. */
export function isPostponed(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'countAttempt' in error && error.countAttempt === false;
}

/** The code of a BusbarError, or the name of another error. */
export function errorType(error: unknown): string {
  const { code, name } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  if (typeof code === 'string') return code;
  return typeof name === 'string' ? name : '_OTHER';
}
