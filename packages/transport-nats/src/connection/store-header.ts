/** The header of a namespace: the version of its format, and which life of its topics this is. */

import { checkStoreFormat } from '@busbar/api/driver';
import type { Names } from './names.ts';
import { type ServerRequests, sequenceOf } from './server-requests.ts';

/** The fields of the header. */
export interface StoreHeader {
  /** The version of the stored format. */
  readonly format: number;
  /** Ids of events are known within one life of the topics: clearing the namespace begins the next. */
  readonly life: number;
}

/** The version that this transport reads and writes. */
const FORMAT = 1;
const FRESH_MS = 1_000;

/** Reads the header, and writes it where there is none. */
export class StoreHeaders {
  readonly #requests: ServerRequests;
  readonly #stream: string;
  readonly #subject: string;
  #known: { readonly header: StoreHeader; readonly seq: number; readonly at: number } | undefined;
  #reading: Promise<StoreHeader> | undefined;

  constructor(requests: ServerRequests, names: Names) {
    this.#requests = requests;
    this.#stream = names.ledger;
    this.#subject = names.header;
    requests.connection.onBack(() => {
      this.#known = undefined;
    });
  }

  /** The header as it was within the last second; undefined where it must be read. */
  get fresh(): StoreHeader | undefined {
    const known = this.#known;
    return known !== undefined && known.at + FRESH_MS > performance.now() ? known.header : undefined;
  }

  /** The header. Rejects with CONFLICT where a newer Busbar wrote it. */
  read(): Promise<StoreHeader> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /** Begins the next life of the topics. */
  async renew(): Promise<void> {
    for (;;) {
      const { life } = await this.read();
      if (await this.#write({ format: FORMAT, life: life + 1 }, this.#known?.seq ?? 0)) return;
    }
  }

  async #read(): Promise<StoreHeader> {
    for (;;) {
      const at = performance.now();
      const message = await this.#requests.last(this.#stream, this.#subject);
      if (message !== undefined) {
        const header = message.json<StoreHeader>();
        checkStoreFormat(header.format, FORMAT, 'the namespace');
        this.#known = { header, seq: sequenceOf(message), at };
        return header;
      }
      await this.#write({ format: FORMAT, life: 0 }, 0);
    }
  }

  async #write(header: StoreHeader, last: number): Promise<boolean> {
    const headers = { 'Nats-Expected-Last-Subject-Sequence': last, 'Nats-Rollup': 'sub' };
    try {
      return (await this.#requests.publishGuarded(this.#subject, JSON.stringify(header), headers)) !== undefined;
    } finally {
      this.#known = undefined;
    }
  }
}
