/** What is published to this process: one connection for all its channels. */

import type { Address, Settings } from '../options.ts';
import { Connection, ConnectionLost } from './connection.ts';

export type Listener = (message: Buffer) => void;

const CHUNK = 500;

/** The channels that this process listens to. */
export class Ears {
  readonly #prefix: string;
  readonly #settings: Settings;
  readonly #onLost: (error: ConnectionLost) => void;
  readonly #listeners = new Map<string, Listener>();
  #address: Address | string | undefined;
  #connection: Promise<Connection> | undefined;
  #open: Connection | undefined;
  #pulse: NodeJS.Timeout | undefined;
  #unheard: (() => void)[] = [];
  #isClosed = false;

  constructor(prefix: string, settings: Settings, onLost: (error: ConnectionLost) => void) {
    this.#prefix = prefix;
    this.#settings = settings;
    this.#onLost = onLost;
  }

  /** Listens from now on at this server; resolves once every channel is heard. Without channels nothing is opened. */
  async use(address: Address | string): Promise<void> {
    this.#address = address;
    if (this.#listeners.size === 0) return;
    const connection = await this.#connect();
    const channels = [...this.#listeners.keys()];
    for (let from = 0; from < channels.length; from += CHUNK) {
      await connection.send('ssubscribe', this.#names(channels.slice(from, from + CHUNK)));
    }
    for (const resolve of this.#unheard.splice(0)) resolve();
  }

  /** Gives `listener` what is published on a channel. Resolves once it is heard. */
  async listen(channel: string, listener: Listener): Promise<void> {
    this.#listeners.set(channel, listener);
    try {
      if (this.#address === undefined) throw new Error('the server is away');
      const connection = await this.#connect();
      await connection.send('ssubscribe', this.#names([channel]));
    } catch (error) {
      if (this.#isClosed) return;
      // It is heard with all others when the server is back.
      const heard = new Promise<void>((resolve) => this.#unheard.push(resolve));
      if (this.#address !== undefined) this.#onLost(new ConnectionLost('channels cannot be heard', error));
      await heard;
    }
  }

  /** Resolves once everything is heard that was published before. */
  async catchUp(): Promise<void> {
    await this.#open?.send('ping', []);
  }

  leave(channel: string): void {
    if (!this.#listeners.delete(channel)) return;
    this.#open?.send('sunsubscribe', this.#names([channel])).catch(() => undefined);
  }

  /** The server was lost. */
  drop(): void {
    clearInterval(this.#pulse);
    this.#address = undefined;
    this.#connection = undefined;
    this.#open?.close();
    this.#open = undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.drop();
    this.#listeners.clear();
    for (const resolve of this.#unheard.splice(0)) resolve();
  }

  #connect(): Promise<Connection> {
    this.#connection ??= this.#dial();
    return this.#connection;
  }

  async #dial(): Promise<Connection> {
    const { user, password } = this.#settings;
    const address = this.#address ?? '';
    const connection = await Connection.open(address, this.#settings, { user, password, database: 0 });
    if (this.#address !== address) {
      connection.close();
      return connection;
    }
    this.#open = connection;
    connection.onMessage((channel, message) => this.#listeners.get(channel.slice(this.#prefix.length))?.(message));
    connection.onLost = (error) => {
      if (this.#open === connection) this.#onLost(error);
    };
    // A line that is dead at the other end shows only to who says something.
    this.#pulse = setInterval(
      () => void connection.send('ping', []).catch(() => undefined),
      this.#settings.silenceMs / 2,
    );
    this.#pulse.unref();
    return connection;
  }

  #names(channels: readonly string[]): string[] {
    return channels.map((channel) => this.#prefix + channel);
  }
}
