/** A part whose server was away when the hybrid was opened. It opens as soon as the server is there. */

import { Condition, Listeners, type StorePast, WorkFailures } from '@busbar/api/driver';
import {
  BusbarError,
  type CallOptions,
  type Capabilities,
  type StateChange,
  type StateRecord,
  type StoreReset,
  type Transport,
  toBusbarError,
  type WorkFailure,
} from '@busbar/api/transport';

type FacetName = 'queues' | 'topics' | 'kv' | 'admin';
type Method = (...args: unknown[]) => Promise<unknown>;

/** How often opening is tried. */
const AGAIN_MS = 500;

/** A transport that waits for its server. Its calls wait, too, and reject with UNAVAILABLE if they had no effect in time. */
export class LateTransport implements Transport {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly queues: Transport['queues'] = this.#facet('queues');
  readonly topics: Transport['topics'] = this.#facet('topics');
  readonly kv: Transport['kv'] = this.#facet('kv');
  readonly admin: Transport['admin'] = this.#facet('admin');
  readonly #open: () => Promise<Transport>;
  readonly #failures = new WorkFailures();
  readonly #stateListeners = new Listeners<StateChange>((error) => this.#failures.report('listener', error));
  readonly #resetListeners = new Listeners<StoreReset>((error) => this.#failures.report('listener', error));
  readonly #changed = new Condition();
  #opened: Transport | undefined;
  #error: BusbarError;
  #isClosed = false;
  readonly #opening: Promise<void>;

  /** `assumed` are capabilities that it is sure to have. `error` is why it could not be opened. */
  constructor(name: string, open: () => Promise<Transport>, assumed: Capabilities, error: BusbarError) {
    this.name = name;
    this.capabilities = assumed;
    this.#open = open;
    this.#error = error;
    this.#opening = this.#run();
  }

  get state(): Transport['state'] {
    return this.#opened?.state ?? (this.#isClosed ? 'closed' : 'reconnecting');
  }

  get past(): StorePast | undefined {
    return this.#opened?.past;
  }

  onState(listener: (change: StateChange) => void): () => void {
    return this.#stateListeners.add(listener);
  }

  onReset(listener: (reset: StoreReset) => void): () => void {
    return this.#resetListeners.add(listener);
  }

  onFailure(listener: (failure: WorkFailure) => void): () => void {
    return this.#failures.listen(listener);
  }

  async close(options?: Parameters<Transport['close']>[0]): Promise<void> {
    this.#isClosed = true;
    this.#changed.notify();
    await this.#opening;
    await this.#opened?.close(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      // It keeps no process alive.
      const pause = new Promise((resolve) => setTimeout(resolve, AGAIN_MS).unref());
      await Promise.race([pause, this.#changed.wait()]);
      if (this.#isClosed) return;
      try {
        this.#attach(await this.#open());
        return;
      } catch (error) {
        this.#error = toBusbarError(error);
      }
    }
  }

  #attach(transport: Transport): void {
    this.#opened = transport;
    transport.onState((change) => this.#stateListeners.call(change));
    transport.onReset((reset) => this.#resetListeners.call(reset));
    transport.onFailure(({ work, error }) => this.#failures.report(work, error));
    this.#changed.notify();
    this.#stateListeners.call({ state: 'open' });
  }

  async #whenOpened({ timeoutMs = Number.POSITIVE_INFINITY, signal }: CallOptions): Promise<Transport> {
    const until = performance.now() + timeoutMs;
    while (this.#opened === undefined) {
      const leftMs = until - performance.now();
      if (leftMs <= 0 || signal?.aborted || this.#isClosed) throw this.#away();
      await this.#changed.waitFor(Math.min(leftMs, AGAIN_MS));
    }
    return this.#opened;
  }

  #away(): BusbarError {
    const { message, hint } = this.#error;
    return new BusbarError('UNAVAILABLE', message, { hint, cause: this.#error });
  }

  /** The methods of a facet. Each one waits for the transport. */
  #facet<Name extends FacetName>(name: Name): Transport[Name] {
    const call = async (method: string | symbol, args: unknown[]): Promise<unknown> => {
      const transport = await this.#whenOpened(args.find(isBounds) ?? {});
      return (Reflect.get(transport[name], method) as Method)(...args);
    };
    return new Proxy({} as Transport[Name], {
      get: (_target, method) =>
        method === 'exportState'
          ? (options?: CallOptions) => this.#exportState(options)
          : (...args: unknown[]) => call(method, args),
    });
  }

  async *#exportState(options: CallOptions = {}): AsyncGenerator<StateRecord> {
    yield* (await this.#whenOpened(options)).admin.exportState(options);
  }
}

function isBounds(value: unknown): value is CallOptions {
  return typeof value === 'object' && value !== null && ('timeoutMs' in value || 'signal' in value);
}
