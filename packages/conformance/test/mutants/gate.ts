// A simulated server: a transport behind a gate that closes when the server is killed. Mutants of clients that lose their
// server need no real server.
import { BusbarError } from '@busbar/api';
import type { CallOptions, Capabilities, MessageInput, StateChange, Transport } from '@busbar/api/transport';
import type { Harness, HarnessServer } from '@busbar/conformance';
import { openMemory } from '@busbar/transport-memory';
import { without } from './mutant.ts';

/** Faults of a client. */
export interface GateFaults {
  /** Acknowledges a send while the server is down. */
  readonly acknowledgesTooEarly?: boolean;
  /** Its pending receives never wake after the server was lost. */
  readonly deafAfterwards?: boolean;
  /** It resubscribes and keeps the old subscription. */
  readonly subscribesTwice?: boolean;
  /** Calls fail with INTERNAL while the server is down. */
  readonly wrongCode?: boolean;
  /** Calls never end while the server is down. */
  readonly hangs?: boolean;
  /** It does not close while the server is down. */
  readonly closeHangs?: boolean;
  /** It does not report the loss of the server. */
  readonly silent?: boolean;
  /** It reconnects without any delay. */
  readonly storms?: boolean;
  /** It keeps reconnecting after it is closed. */
  readonly looksAfterClose?: boolean;
  /** Acknowledges each seventh send without storing it. */
  readonly losesSends?: boolean;
  /** After a restart it stores ids of delayed messages again. */
  readonly forgetsDelayed?: boolean;
  /** Stores a send that it reported as failed. */
  readonly failsAndStores?: boolean;
}

/** A harness over the memory transport with a simulated server. */
export function gatedHarness(faults: GateFaults = {}): Harness {
  return {
    name: 'gated',
    async store() {
      const name = crypto.randomUUID();
      const store = await openMemory({ name });
      const gate = new Gate();
      return {
        open: async () => {
          await gate.opened(300);
          return gated(await openMemory({ name }), gate, faults);
        },
        server: gate.server,
        remove: () => store.close(),
      };
    },
  };
}

/** The simulated server: it is up or down, and counts connection attempts. */
class Gate {
  isUp = true;
  knocks = 0;
  readonly listeners = new Set<() => void>();

  /** Ids of delayed messages, and those of them that were sent before a restart. */
  readonly #delayed = new Set<string | undefined>();
  readonly #forgotten = new Set<string | undefined>();

  set(isUp: boolean): void {
    if (this.isUp === isUp) return;
    this.isUp = isUp;
    this.restarted();
    for (const listener of [...this.listeners]) listener();
  }

  /** Forgets the delayed messages so far. */
  restarted(): void {
    for (const id of this.#delayed) this.#forgotten.add(id);
  }

  /** The messages without the ids that are forgotten. */
  withoutForgotten(messages: readonly MessageInput[]): MessageInput[] {
    return messages.map((message) => {
      if (message.delayMs !== undefined) this.#delayed.add(message.id);
      return this.#forgotten.has(message.id) ? without(message, 'id') : message;
    });
  }

  /** Records a connection attempt while it is down. */
  knock(): void {
    if (!this.isUp) this.knocks += 1;
  }

  /** Resolves when it is up. Rejects with UNAVAILABLE after the time-out. */
  async opened(timeoutMs = 30_000, code: 'UNAVAILABLE' | 'INTERNAL' = 'UNAVAILABLE'): Promise<void> {
    if (this.isUp) return;
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.listeners.delete(listener);
        settle();
      };
      const listener = (): void => (this.isUp ? end(resolve) : undefined);
      const timer = setTimeout(() => end(() => reject(new BusbarError(code, 'the gate is closed'))), timeoutMs);
      this.listeners.add(listener);
    });
  }

  get server(): HarnessServer {
    const down = (): void => this.set(false);
    const up = (): void => this.set(true);
    const gate = this;
    return {
      kill: async () => down(),
      stop: async () => down(),
      start: async () => up(),
      pause: down,
      resume: up,
      network: {
        endpoint: { path: '' },
        get accepted() {
          return gate.knocks;
        },
        cut: () => {
          if (!this.isUp) return;
          down();
          up();
        },
        block: down,
        halfOpen: down,
        heal: up,
        delay: () => undefined,
        cutAfter: () => this.set(this.isUp),
      },
    };
  }
}

function gated(inner: Transport, gate: Gate, faults: GateFaults): Transport {
  const end = new AbortController();
  let closing: Promise<void> | undefined;
  let wasLost = false;
  let sends = 0;
  const changes = new Set<(change: StateChange) => void>();
  const tell = (change: StateChange): void => {
    for (const listener of changes) listener(change);
  };
  const knock = setInterval(() => gate.knock(), faults.storms ? 2 : 50);
  const isAway = (): boolean => !gate.isUp && !faults.silent;
  const listener = (): void => {
    wasLost = true;
    if (faults.silent || closing) return;
    const error = new BusbarError('UNAVAILABLE', 'the gate is closed');
    tell(gate.isUp ? { state: 'open' } : { state: 'reconnecting', error });
  };
  gate.listeners.add(listener);
  inner.onState((change) => tell(change));

  const passed = async <T>(work: () => Promise<T>, options?: CallOptions): Promise<T> => {
    if (faults.hangs && !gate.isUp) return new Promise(() => undefined);
    if (closing === undefined) await gate.opened(options?.timeoutMs, faults.wrongCode ? 'INTERNAL' : 'UNAVAILABLE');
    return work();
  };
  /** Wraps each method of a facet. Its options are the last argument. */
  const behind = <F extends object>(facet: F): F =>
    Object.fromEntries(
      Object.entries(facet).map(([name, method]) => [
        name,
        name === 'exportState'
          ? method
          : (...args: unknown[]) => passed(() => method(...args), args.find(isOptions) as CallOptions | undefined),
      ]),
    ) as F;

  const send: Transport['queues']['send'] = async (queue, messages, options) => {
    const answer = messages.map(({ id = crypto.randomUUID() }) => ({ id, status: 'stored' as const }));
    if (!gate.isUp && faults.acknowledgesTooEarly) return answer;
    sends += 1;
    if (faults.losesSends && sends % 7 === 0) return answer;
    const known = faults.forgetsDelayed ? gate.withoutForgotten(messages) : messages;
    return passed(() => inner.queues.send(queue, known, options), options).catch((error: unknown) => {
      if (faults.failsAndStores) void inner.queues.send(queue, messages, options);
      throw error;
    });
  };
  const receive: Transport['queues']['receive'] = async (queue, options = {}) => {
    const deadline = performance.now() + (options.waitMs ?? 0);
    for (;;) {
      const lost = new AbortController();
      const onChange = (): void => lost.abort();
      gate.listeners.add(onChange);
      try {
        if (!gate.isUp) await Promise.race([gate.opened(), closed(end.signal)]);
        if (faults.deafAfterwards && wasLost && options.waitMs === Number.POSITIVE_INFINITY) await closed(end.signal);
        const waitMs = Math.max(0, deadline - performance.now());
        const signal = AbortSignal.any([lost.signal, end.signal, ...(options.signal ? [options.signal] : [])]);
        return await inner.queues.receive(queue, { ...options, waitMs, signal });
      } catch (error) {
        if (end.signal.aborted) throw new BusbarError('CLOSED', 'closed');
        if (!lost.signal.aborted || options.signal?.aborted) throw error;
      } finally {
        gate.listeners.delete(onChange);
      }
    }
  };
  const subscribe: Transport['topics']['subscribe'] = (pattern, options, onEvents) =>
    inner.topics.subscribe(pattern, options, async (events) => {
      await onEvents(events);
      if (faults.subscribesTwice && wasLost) await onEvents(events);
    });
  const close: Transport['close'] = (options) => {
    closing ??= (async () => {
      if (faults.closeHangs && !gate.isUp) await gate.opened(60_000);
      end.abort();
      gate.restarted();
      gate.listeners.delete(listener);
      if (faults.looksAfterClose) setTimeout(() => clearInterval(knock), 3_000);
      else clearInterval(knock);
      await inner.close(options);
    })();
    return closing;
  };
  return {
    name: inner.name,
    capabilities: asServed(inner.capabilities),
    get state() {
      return inner.state === 'open' && isAway() ? 'reconnecting' : inner.state;
    },
    onState: (one) => {
      changes.add(one);
      return () => changes.delete(one);
    },
    onReset: (one) => inner.onReset(one),
    onFailure: (one) => inner.onFailure(one),
    get past() {
      return inner.past;
    },
    queues: { ...behind(inner.queues), send, receive },
    topics: { ...behind(inner.topics), subscribe },
    kv: { ...behind(inner.kv), watch: inner.kv.watch },
    admin: behind(inner.admin),
    ...(inner.calls && { calls: inner.calls }),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

function isOptions(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'timeoutMs' in value;
}

function closed(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(new BusbarError('CLOSED', 'closed'));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

/** The capabilities of a transport with a server. */
function asServed(capabilities: Capabilities): Capabilities {
  const features = { ...capabilities.features, dedupeSurvivesRestart: true };
  return { ...capabilities, durability: 'process', reach: 'host', features };
}
