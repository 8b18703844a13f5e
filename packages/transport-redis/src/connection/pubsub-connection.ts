/** The connection for channels: all subscriptions of a transport share it. */

import type { ServerAddress } from '@busbar/api/driver';
import type { Settings } from '../options.ts';
import { Connection, ConnectionLost } from './connection.ts';

export type ChannelListener = (message: Buffer) => void;

/** Channels of one SSUBSCRIBE. */
const BATCH = 500;

/** Subscribes to channels of the namespace. It connects when the first channel is subscribed to. */
export class PubSubConnection {
  readonly #prefix: string;
  readonly #settings: Settings;
  readonly #onLost: (error: ConnectionLost) => void;
  readonly #listeners = new Map<string, ChannelListener>();
  #address: ServerAddress | string | undefined;
  #opening: Promise<Connection> | undefined;
  #connection: Connection | undefined;
  #pingTimer: NodeJS.Timeout | undefined;
  #awaitingSubscription: (() => void)[] = [];
  #isClosed = false;

  constructor(prefix: string, settings: Settings, onLost: (error: ConnectionLost) => void) {
    this.#prefix = prefix;
    this.#settings = settings;
    this.#onLost = onLost;
  }

  /** Uses the server at `address` from now on. Resolves when every channel is subscribed to. */
  async use(address: ServerAddress | string): Promise<void> {
    this.#address = address;
    if (this.#listeners.size === 0) return;
    const connection = await this.#connect();
    const channels = [...this.#listeners.keys()];
    for (let from = 0; from < channels.length; from += BATCH) {
      await connection.send('ssubscribe', this.#names(channels.slice(from, from + BATCH)));
    }
    this.#resolveAwaiting();
  }

  /** Calls `listener` with each message of `channel`. Resolves when the channel is subscribed to. */
  async subscribe(channel: string, listener: ChannelListener): Promise<void> {
    this.#listeners.set(channel, listener);
    try {
      if (this.#address === undefined) throw new Error('the server cannot be reached');
      const connection = await this.#connect();
      await connection.send('ssubscribe', this.#names([channel]));
    } catch (error) {
      if (this.#isClosed) return;
      // The next `use` subscribes to it with all others.
      const subscribed = new Promise<void>((resolve) => this.#awaitingSubscription.push(resolve));
      if (this.#address !== undefined) this.#onLost(new ConnectionLost('subscribing failed', error));
      await subscribed;
    }
  }

  unsubscribe(channel: string): void {
    if (!this.#listeners.delete(channel)) return;
    this.#connection?.send('sunsubscribe', this.#names([channel])).catch(() => undefined);
  }

  /** Unsubscribes. Messages that the server has sent before are received until this resolves. */
  async drain(channel: string): Promise<void> {
    const listener = this.#listeners.get(channel);
    await this.#connection?.send('sunsubscribe', this.#names([channel])).catch(() => undefined);
    if (this.#listeners.get(channel) === listener) this.#listeners.delete(channel);
  }

  /** Resolves when every message published before this call has been received. */
  async catchUp(): Promise<void> {
    await this.#connection?.send('ping', []);
  }

  /** Drops the connection. The channels stay, for the next {@link use}. */
  drop(): void {
    clearInterval(this.#pingTimer);
    this.#address = undefined;
    this.#opening = undefined;
    this.#connection?.close();
    this.#connection = undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.drop();
    this.#listeners.clear();
    this.#resolveAwaiting();
  }

  #connect(): Promise<Connection> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<Connection> {
    const { user, password, silenceMs } = this.#settings;
    const address = this.#address ?? '';
    const connection = await Connection.open(address, this.#settings, { user, password, database: 0 });
    if (this.#address !== address) {
      connection.close();
      return connection;
    }
    this.#connection = connection;
    connection.onMessage((name, message) => {
      const channel = name.slice(this.#prefix.length);
      const listener = this.#listeners.get(channel);
      if (listener !== undefined) listener(message);
      // The channel was drained while the connection was replaced.
      else connection.send('sunsubscribe', this.#names([channel])).catch(() => undefined);
    });
    connection.onLost((error) => {
      if (this.#connection === connection) this.#onLost(error);
    });
    // Only a request shows that the other end is gone.
    this.#pingTimer = setInterval(() => void connection.send('ping', []).catch(() => undefined), silenceMs / 2);
    this.#pingTimer.unref();
    return connection;
  }

  #resolveAwaiting(): void {
    for (const resolve of this.#awaitingSubscription.splice(0)) resolve();
  }

  #names(channels: readonly string[]): string[] {
    return channels.map((channel) => this.#prefix + channel);
  }
}
