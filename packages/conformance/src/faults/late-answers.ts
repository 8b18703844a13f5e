/** A transport whose answers, or calls, are late, as on a slow network. */

import { setTimeout as pause } from 'node:timers/promises';
import type { KeyValue, Queues, Transport } from '@busbar/api/transport';

/** The delays in milliseconds. */
export interface Lateness {
  /** Of the answers to receives. */
  readonly receiveMs?: number;
  /** Of settlements and puts, before they are made. */
  readonly writeMs?: number;
  /** Of the answers to puts. */
  readonly putAnswerMs?: number;
}

/** `transport` with these delays. Receives that find nothing are not late. */
export function withLateAnswers(
  transport: Transport,
  { receiveMs = 0, writeMs = 0, putAnswerMs = 0 }: Lateness,
): Transport {
  const queues: Queues = {
    ...transport.queues,
    receive: async (...args) => {
      const deliveries = await transport.queues.receive(...args);
      if (deliveries.length > 0) await pause(receiveMs);
      return deliveries;
    },
    settle: async (...args) => {
      await pause(writeMs);
      return transport.queues.settle(...args);
    },
  };
  const kv: KeyValue = {
    ...transport.kv,
    put: async (...args) => {
      await pause(writeMs);
      const result = await transport.kv.put(...args);
      await pause(putAnswerMs);
      return result;
    },
  };
  return new Proxy(transport, {
    get(target, key) {
      if (key === 'queues') return queues;
      if (key === 'kv') return kv;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
