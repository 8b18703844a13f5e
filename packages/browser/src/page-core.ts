/** What the parts of one page share. */

import { callListener, completeMessage, type PreparedMessage } from '@busbar/api/driver';
import { DeliveryLeases, JsonBodyCodec, type PlainBodyCodec, Shutdown, toFields } from '@busbar/api/parts';
import {
  BusbarError,
  type Headers,
  type MessageInput,
  type SendResult,
  type StoreReset,
  toBusbarError,
} from '@busbar/api/transport';
import type { PageSettings } from './options.ts';
import type { HubStore } from './store/hub-store.ts';

/** A message before it is encoded. */
export interface Draft {
  readonly body: unknown;
  readonly type?: string | undefined;
  readonly to?: string | undefined;
  /** The user's checked options. */
  readonly options?: { readonly headers?: Headers | undefined } | undefined;
  /** Headers of the bus itself. */
  readonly internal?: Headers | undefined;
  /** Fields that override the options. */
  readonly fields?: Partial<MessageInput>;
}

/** Creates again what the store of a page needs. */
type Declare = (reset: StoreReset) => Promise<unknown>;

export class PageCore {
  readonly store: HubStore;
  readonly settings: PageSettings;
  readonly bodies: PlainBodyCodec;
  readonly leases: DeliveryLeases;
  readonly shutdown: Shutdown = new Shutdown();
  readonly #declared = new Set<Declare>();

  constructor(store: HubStore, settings: PageSettings) {
    this.store = store;
    this.settings = settings;
    this.bodies = new JsonBodyCodec(store.capabilities.maxBodyBytes);
    const settle = (all: Parameters<HubStore['queues']['settle']>[0]): ReturnType<HubStore['queues']['settle']> =>
      store.bounded(undefined, (context) => store.queues.settle(all, context));
    this.leases = new DeliveryLeases({ settle }, (error) => this.report(error));
    store.onReset((reset) => {
      for (const declare of this.#declared) declare(reset).catch((error: unknown) => this.report(error));
    });
  }

  /** Runs `declare` after each reset of the store, until the returned function is called. */
  onReset(declare: Declare): () => void {
    this.#declared.add(declare);
    return () => void this.#declared.delete(declare);
  }

  /** Throws CLOSED after the bus began to close. */
  assertOpen(): void {
    if (this.shutdown.isClosing) throw new BusbarError('CLOSED', 'the bus is closed', { hint: 'Connect again.' });
  }

  /** Reports a failure without a waiting caller. What the close of this page ends is no failure. */
  report(thrown: unknown): void {
    const error = toBusbarError(thrown);
    // An error of the listener must not affect the page.
    if (!this.shutdown.isClosing || error.code !== 'CLOSED')
      callListener(
        () => this.settings.onError(error),
        () => undefined,
      );
  }

  /** Encodes a message, with an id: a repeated send is stored once. Throws for a body that cannot be encoded. */
  toMessage({ body, type, to, options, internal, fields }: Draft): PreparedMessage {
    const headers = { ...options?.headers, ...internal };
    const from = this.settings.agent;
    return completeMessage({ ...this.bodies.encode(body), ...toFields(options), type, from, to, headers, ...fields });
  }
}

/** A stored message. Throws the error of a failed one. */
export function toStored(result: SendResult | undefined): { id: string; status: 'stored' | 'duplicate' } {
  if (result?.status === 'stored' || result?.status === 'duplicate') return { id: result.id, status: result.status };
  throw result?.error ?? new BusbarError('INTERNAL', 'the hub returned no result', { outcome: 'unknown' });
}
