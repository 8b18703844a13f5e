// A mutant: a correct transport with one broken behaviour, and the case that must fail on it.
import type { MessageInput, Transport } from '@busbar/api/transport';

export interface Mutant {
  /** Its broken behaviour in a few words. */
  readonly name: string;
  /** The id of the case that fails on it and passes on the correct transport. */
  readonly killedBy: string;
  mutate(transport: Transport): Transport;
}

/** The facets that a mutant replaces. */
export interface Replacement {
  readonly queues?: Partial<Transport['queues']>;
  readonly topics?: Partial<Transport['topics']>;
  readonly entries?: Partial<Transport['kv']>;
  readonly admin?: Partial<Transport['admin']>;
  readonly close?: Transport['close'];
}

/** Returns the transport with some methods replaced. */
export function replace(transport: Transport, by: Replacement): Transport {
  const close = by.close ?? ((options) => transport.close(options));
  return {
    name: transport.name,
    capabilities: transport.capabilities,
    get state() {
      return transport.state;
    },
    onState: (listener) => transport.onState(listener),
    onReset: (listener) => transport.onReset(listener),
    onFailure: (listener) => transport.onFailure(listener),
    get past() {
      return transport.past;
    },
    queues: { ...transport.queues, ...by.queues },
    topics: { ...transport.topics, ...by.topics },
    kv: { ...transport.kv, ...by.entries },
    admin: { ...transport.admin, ...by.admin },
    ...(transport.calls && { calls: transport.calls }),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** Returns the transport with sent messages changed. */
export function resending(
  transport: Transport,
  change: (message: MessageInput, index: number) => MessageInput,
): Transport {
  return replace(transport, {
    queues: {
      send: (queue, messages, options) =>
        transport.queues.send(queue, Array.isArray(messages) ? messages.map(change) : messages, options),
    },
  });
}

/** Returns `value` without some of its fields. */
export function without<T extends object, K extends keyof T>(value: T, ...keys: readonly K[]): T {
  const copy = { ...value };
  for (const key of keys) delete copy[key];
  return copy;
}
