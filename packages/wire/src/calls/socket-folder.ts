/** The folder beside a store with the sockets of the processes that serve calls. Only its user can reach into it. */

import { randomBytes } from 'node:crypto';
import { readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { checkFolder, prepareFolder, readPrivateFile, socketExists, writePrivateFile } from '../files/private-files.ts';
import { toSocketPath } from '../files/socket-path.ts';

/** Bytes of the name of a socket, as hexadecimal digits. No name is used twice. */
const NAME_BYTES = 6;
const TOKEN_BYTES = 24;
const NAME = /^[0-9a-f]{12}$/;
/** A socket of this age whose process does not accept connections is abandoned: a younger one may just be made. */
const ABANDONED_AFTER_MS = 60_000;

export class SocketFolder {
  readonly path: string;

  /** The folder of the store at `store`, an absolute path. */
  constructor(store: string) {
    this.path = `${store}.calls`;
  }

  /** Why processes cannot listen in this folder; undefined if they can. */
  get problem(): string | undefined {
    if (process.platform === 'win32') return 'This system has no Unix sockets that Node can use.';
    try {
      toSocketPath(this.socketOf('0'.repeat(NAME_BYTES * 2)));
      return undefined;
    } catch {
      return 'The path of the store is too long for a socket beside it.';
    }
  }

  /** The path of the socket with this name. */
  socketOf(name: string): string {
    return join(this.path, name);
  }

  /** Makes the folder if needed, and a new name with its token. Throws PERMISSION_DENIED if others can write to the folder. */
  prepare(): { readonly name: string; readonly token: string } {
    const name = randomBytes(NAME_BYTES).toString('hex');
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    prepareFolder(this.socketOf(name));
    writePrivateFile(this.#tokenOf(name), token);
    return { name, token };
  }

  /** The token of a socket; undefined if this user cannot reach it. Throws PERMISSION_DENIED if its files are not private. */
  tokenFor(name: string): string | undefined {
    const socket = this.socketOf(name);
    if (!NAME.test(name)) return undefined;
    checkFolder(socket);
    return socketExists(socket) ? readPrivateFile(this.#tokenOf(name)) : undefined;
  }

  /** Whether the socket can still be found. */
  has(name: string): boolean {
    return statSync(this.socketOf(name), { throwIfNoEntry: false }) !== undefined;
  }

  /** Removes the files of a socket, and the folder if it is empty. */
  remove(name: string): void {
    try {
      for (const file of [this.socketOf(name), this.#tokenOf(name)]) rmSync(file, { force: true });
      rmdirSync(this.path);
    } catch {
      // Other processes serve calls, or the folder is gone.
    }
  }

  /** The sockets that may be abandoned, the oldest first. */
  aged(): string[] {
    try {
      const before = Date.now() - ABANDONED_AFTER_MS;
      return readdirSync(this.path)
        .filter((name) => NAME.test(name))
        .map((name) => ({ name, at: statSync(this.socketOf(name), { throwIfNoEntry: false })?.mtimeMs ?? before }))
        .filter(({ at }) => at < before)
        .sort((one, other) => one.at - other.at)
        .map(({ name }) => name);
    } catch {
      return [];
    }
  }

  #tokenOf(name: string): string {
    return `${this.socketOf(name)}.token`;
  }
}
