/** The open connections to processes that serve calls. */

import { DirectPeer } from './direct-peer.ts';
import type { SocketFolder } from './socket-folder.ts';

/** After a failure a server is left alone for this long. */
const RETRY_MS = 5_000;
/** How many abandoned sockets a process looks for when it begins to serve. */
const MAX_PROBES = 16;

/** A server, and the connection to it. */
interface Slot {
  peer: DirectPeer | undefined;
  opening: Promise<void> | undefined;
  retryAt: number;
  /** Rises with each choice. */
  chosen: number;
}

export class Peers {
  readonly #folder: SocketFolder;
  readonly #maxBodyBytes: number;
  readonly #slots = new Map<string, Slot>();
  #choices = 0;
  #isClosed = false;

  constructor(folder: SocketFolder, maxBodyBytes: number) {
    this.#folder = folder;
    this.#maxBodyBytes = maxBodyBytes;
  }

  /**
   * The least busy of these servers; among equals, the one chosen least recently. Undefined if there is none, or if
   * {@link Peers.open} has to connect first.
   */
  choose(names: Iterable<string>): { readonly name: string; readonly peer: DirectPeer } | undefined {
    let best: { readonly name: string; readonly peer: DirectPeer; readonly slot: Slot } | undefined;
    for (const name of names) {
      const slot = this.#slots.get(name);
      const peer = slot?.peer;
      if (slot === undefined || peer === undefined) {
        if (slot === undefined || slot.retryAt <= performance.now()) return undefined;
      } else if (best === undefined || isLess(slot, peer, best)) best = { name, peer, slot };
    }
    if (best !== undefined) best.slot.chosen = ++this.#choices;
    return best;
  }

  /** Connects to a server, unless that failed less than `RETRY_MS` ago. Calls `onDead` if its process is gone. */
  async open(name: string, onDead: () => void): Promise<void> {
    const slot = this.#slots.get(name) ?? { peer: undefined, opening: undefined, retryAt: 0, chosen: 0 };
    this.#slots.set(name, slot);
    if (slot.peer !== undefined || (slot.opening === undefined && slot.retryAt > performance.now())) return;
    slot.opening ??= this.#connect(name, slot);
    try {
      await slot.opening;
    } catch (error) {
      if (!isRefused(error)) return;
      this.#slots.delete(name);
      onDead();
    }
  }

  /** Removes the files of processes that were killed. */
  async sweep(): Promise<void> {
    for (const name of this.#folder.aged().slice(0, MAX_PROBES)) {
      if (this.#slots.has(name)) continue;
      await this.open(name, () => undefined);
      const slot = this.#slots.get(name);
      if (slot?.peer?.load === 0) slot.peer.close();
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const { peer } of this.#slots.values()) peer?.close();
  }

  async #connect(name: string, slot: Slot): Promise<void> {
    slot.retryAt = performance.now() + RETRY_MS;
    try {
      const token = this.#folder.tokenFor(name);
      if (token === undefined) return;
      const onOver = (): void => {
        if (slot.peer !== undefined) this.#slots.delete(name);
      };
      const peer = await DirectPeer.open({
        path: this.#folder.socketOf(name),
        token,
        maxBodyBytes: this.#maxBodyBytes,
        onOver,
      });
      if (this.#isClosed) peer.close();
      else slot.peer = peer;
    } catch (error) {
      // Names are not used again, so nothing will listen there.
      if (isRefused(error)) this.#folder.remove(name);
      throw error;
    } finally {
      slot.opening = undefined;
    }
  }
}

function isLess(slot: Slot, peer: DirectPeer, best: { readonly slot: Slot; readonly peer: DirectPeer }): boolean {
  return peer.load < best.peer.load || (peer.load === best.peer.load && slot.chosen < best.slot.chosen);
}

function isRefused(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
}
