/** A context for tests of a handler without a bus. */

import { type Context, HandlerContext, type LogLevel } from '../bus/consuming/context.ts';
import type { ChildResult } from '../bus/flows/child-result.ts';
import type { FlowTask } from '../bus/flows/flow-options.ts';
import { NO_ORIGIN } from '../bus/messages/causation.ts';
import type { QueueDefinition, RequestDefinition } from '../bus/messages/definitions.ts';
import type { Recipient } from '../bus/messages/recipient.ts';
import type { MessageSource } from '../bus/observing/message-source.ts';
import type { Operations } from '../bus/operations.ts';
import type { ReplyStream } from '../bus/requests/options.ts';
import type { EnqueueOptions } from '../bus/tasks/enqueue-options.ts';
import type { TaskHandle } from '../bus/tasks/task-handle.ts';
import { BusbarError } from '../contract/errors.ts';
import { newId } from '../contract/id.ts';
import { checkOptions } from '../contract/validation.ts';
import { LazyAbortController } from '../driver-kit/lazy-abort.ts';
import type { RecordedSend } from './recorded-sends.ts';

/** What a handler finds in its context. */
export interface FakeContextOptions {
  /** Default 1. */
  readonly attempt?: number | undefined;
  /** Default: a task of the queue `test`. */
  readonly source?: MessageSource | undefined;
  /** Responses by type of request, and results of tasks by queue: a value, or a function of the body. */
  readonly responses?: Readonly<Record<string, unknown>> | undefined;
  /** The children of the task. Default: none. */
  readonly children?: readonly ChildResult[] | undefined;
}

/** A context that stores nothing, and keeps what a handler does with it. */
export interface FakeContext extends Context {
  /** What it sent, in order. */
  readonly sent: readonly RecordedSend[];
  readonly progressed: readonly unknown[];
  readonly replied: readonly unknown[];
  readonly logged: readonly { readonly text: string; readonly level: LogLevel }[];
  /** How often it extended its lease. */
  readonly extensions: number;
  /** Fires the signal. */
  abort(reason?: BusbarError): void;
}

/** A context for `handler(fakeMessage(body), fakeContext())`. */
export function fakeContext(options: FakeContextOptions = {}): FakeContext {
  checkOptions(options, ['attempt', 'source', 'responses', 'children'], 'fake context options');
  return new RecordingContext(options);
}

const TEST_SOURCE: MessageSource = { kind: 'task', queue: 'test' };

class RecordingContext extends HandlerContext implements FakeContext {
  readonly sent: RecordedSend[];
  readonly progressed: unknown[];
  readonly replied: unknown[];
  readonly logged: { readonly text: string; readonly level: LogLevel }[];
  readonly #controller: LazyAbortController;
  readonly #counts: { extensions: number };

  constructor({ attempt = 1, source = TEST_SOURCE, responses = {}, children = [] }: FakeContextOptions) {
    const sent: RecordedSend[] = [];
    const kept = { progressed: [] as unknown[], replied: [] as unknown[], logged: [] as RecordingContext['logged'] };
    const counts = { extensions: 0 };
    const signalOf = new LazyAbortController();
    super(fakeOperations(sent, responses), NO_ORIGIN, {
      ...{ attempt, source, signalOf },
      children: async () => [...children],
      progress: async (value) => void kept.progressed.push(value),
      reply: async (part) => void kept.replied.push(part),
      log: (text, level) => void kept.logged.push({ text, level }),
      extend: async () => {
        counts.extensions += 1;
      },
    });
    this.sent = sent;
    this.progressed = kept.progressed;
    this.replied = kept.replied;
    this.logged = kept.logged;
    this.#controller = signalOf;
    this.#counts = counts;
  }

  get extensions(): number {
    return this.#counts.extensions;
  }

  abort(reason: BusbarError = new BusbarError('ABORTED', 'the test aborted the handler')): void {
    this.#controller.abort(reason);
  }
}

function fakeOperations(sent: RecordedSend[], responses: Readonly<Record<string, unknown>>): Operations {
  const record = (
    kind: RecordedSend['kind'],
    target: string,
    rest: Pick<RecordedSend, 'type' | 'body'>,
    headers?: object,
  ): string => {
    sent.push({ kind, target, from: undefined, headers: { ...headers }, ...rest });
    return newId();
  };
  const request = async (type: string, body: unknown): Promise<never> => respond(responses, type, body);
  const enqueue = (
    queue: string | QueueDefinition,
    body: unknown,
    options?: EnqueueOptions,
  ): TaskHandle<never, never> => {
    const name = queueOf(queue);
    const id = record('enqueue', name, { type: options?.type, body }, options?.headers);
    return fakeHandle(name, options?.dedupeKey ?? id, () => request(name, body));
  };
  const flow = ({ queue, body, options, children = [] }: FlowTask): TaskHandle<never, never> => {
    const handle = enqueue(queue, body, options);
    for (const child of children) flow(child);
    return handle;
  };
  return {
    send: async (_, to, type, body, options) => {
      const id = record(
        'send',
        targetOf(to),
        { type: typeof type === 'string' ? type : type.type, body },
        options?.headers,
      );
      return { id: options?.id ?? id, to: targetOf(to), status: 'stored' };
    },
    publish: async (_, topic, body, options) => {
      const name = typeof topic === 'string' ? topic : topic.topic;
      const id = record('publish', name, { type: undefined, body }, options?.headers);
      return { id: options?.id ?? id, position: undefined, status: 'stored' };
    },
    enqueue: async (_, ...task) => enqueue(...task),
    flow: async (_, one) => flow(one),
    request: (_, to, type, body, options) => {
      record('request', targetOf(to), { type: typeOf(type), body }, options?.headers);
      return request(typeOf(type), body);
    },
    requestStream: (_, to, type, body, options) => {
      record('request', targetOf(to), { type: typeOf(type), body }, options?.headers);
      return fakeStream(request(typeOf(type), body));
    },
  };
}

async function respond(responses: Readonly<Record<string, unknown>>, name: string, body: unknown): Promise<never> {
  if (Object.hasOwn(responses, name)) {
    const response = responses[name];
    return (typeof response === 'function' ? await (response as (body: unknown) => unknown)(body) : response) as never;
  }
  const hint = `Pass it: fakeContext({ responses: { ${JSON.stringify(name)}: … } }).`;
  throw new BusbarError('NO_RESPONDER', `the fake context has no response for ${name}`, { hint });
}

function fakeStream(result: Promise<never>): ReplyStream<never, never> {
  result.catch(() => undefined);
  return {
    result,
    [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
  };
}

function fakeHandle(queue: string, key: string, result: () => Promise<never>): TaskHandle<never, never> {
  return {
    ...{ id: `${queue}#${key}`, queue, isDuplicate: false },
    ...{ result, status: async () => 'queued', cancel: async () => false, reschedule: async () => false },
    async *progress() {},
  };
}

function targetOf(to: Recipient): string {
  return typeof to === 'string' ? to : to.capability;
}

function typeOf(type: string | RequestDefinition): string {
  return typeof type === 'string' ? type : type.type;
}

function queueOf(queue: string | QueueDefinition): string {
  return typeof queue === 'string' ? queue : queue.queue;
}
