/** The socket of a process that serves calls. */

import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { toBusbarError } from '@busbar/api/transport';
import { protocolError } from '../errors.ts';
import { withPrivateUmask } from '../files/private-files.ts';
import { FRAME, type Frame, frame, goaway, type Header } from '../frames/frame.ts';
import { HELLO_TIMEOUT_MS, MAX_FRAME_HEADER_BYTES, MAX_UNREAD_BYTES } from '../limits.ts';
import type { ConnectionEvents, LinkConnection } from '../stream/connection.ts';
import { UnixConnection } from '../stream/unix-connection.ts';
import { type ServedAddress, ServedCalls } from './served-calls.ts';
import type { SocketFolder } from './socket-folder.ts';

/** What a {@link DirectServer} serves. */
export interface DirectServices {
  readonly maxBodyBytes: number;
  /** The least busy service of an address. */
  find(address: unknown): ServedAddress | undefined;
}

const BACKLOG = 4_096;

/** Listens on a new socket, and runs the calls of those who know its token. */
export class DirectServer {
  readonly name: string;
  readonly #folder: SocketFolder;
  readonly #server: Server;
  readonly #sessions: ReadonlySet<Session>;

  private constructor(folder: SocketFolder, name: string, server: Server, sessions: ReadonlySet<Session>) {
    this.name = name;
    this.#folder = folder;
    this.#server = server;
    this.#sessions = sessions;
  }

  /** Resolves when it listens. Rejects if it cannot, for example in a folder without room or without sockets. */
  static async listen(folder: SocketFolder, services: DirectServices): Promise<DirectServer> {
    const { name, token } = folder.prepare();
    const sessions = new Set<Session>();
    const server = createServer((socket) => {
      const connection = new UnixConnection(socket.unref(), services.maxBodyBytes + MAX_FRAME_HEADER_BYTES);
      const session = new Session({ connection, token, services, onEnd: () => sessions.delete(session) });
      sessions.add(session);
      connection.begin(session);
    });
    try {
      const path = folder.socketOf(name);
      withPrivateUmask(() => server.listen({ path, backlog: BACKLOG }));
      await once(server, 'listening');
      chmodSync(path, 0o600);
    } catch (error) {
      server.close();
      folder.remove(name);
      throw error;
    }
    // A connection that cannot be accepted must not end the process, and waiting for one must not keep it alive.
    server.on('error', () => undefined).unref();
    return new DirectServer(folder, name, server, sessions);
  }

  /** Whether requesters still find its socket. */
  get isInPlace(): boolean {
    return this.#folder.has(this.name);
  }

  /** Ends all connections and removes its files. Requesters of running calls get CLOSED. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const session of this.#sessions) session.end();
    this.#folder.remove(this.name);
    await closed;
  }
}

interface SessionOptions {
  readonly connection: LinkConnection;
  readonly token: string;
  readonly services: DirectServices;
  onEnd(): void;
}

/** One requester, from hello to the end of its connection. */
class Session implements ConnectionEvents {
  readonly #connection: LinkConnection;
  readonly #token: string;
  readonly #onEnd: () => void;
  readonly #calls: ServedCalls;
  readonly #helloTimer: NodeJS.Timeout;
  #isWelcome = false;
  /** Whether the requester takes the last reply and the end of a call in one frame. */
  #joinsEnd = false;

  constructor({ connection, token, services, onEnd }: SessionOptions) {
    this.#connection = connection;
    this.#token = token;
    this.#onEnd = onEnd;
    this.#calls = new ServedCalls({
      find: ({ address }) => services.find(address),
      send: (each) => connection.send(each),
      joinsEnd: () => this.#joinsEnd,
      isFull: () => connection.buffered > MAX_UNREAD_BYTES,
      maxBodyBytes: services.maxBodyBytes,
    });
    this.#helloTimer = setTimeout(() => connection.destroy(), HELLO_TIMEOUT_MS).unref();
  }

  onFrames(frames: readonly Frame[]): void {
    try {
      for (const each of frames) this.#receive(each);
    } catch (error) {
      this.#connection.send(goaway(toBusbarError(error)));
      this.#connection.close();
    }
  }

  onDrain(): void {
    this.#calls.onDrain();
  }

  onClose(): void {
    clearTimeout(this.#helloTimer);
    this.#calls.close();
    this.#onEnd();
  }

  end(): void {
    this.#connection.close();
  }

  #receive(each: Frame): void {
    const { type } = each;
    if (!this.#isWelcome) this.#welcome(type === FRAME.hello ? each.header : {});
    else if (type === FRAME.call || type === FRAME.cancel || type === FRAME.credit) this.#calls.onFrame(each);
    else if (type === FRAME.ping) this.#connection.send(frame(FRAME.pong));
    else throw protocolError(`a requester does not send frames of type ${type}`);
  }

  #welcome({ token, joinsEnd }: Header): void {
    const [given, own] = [Buffer.from(String(token)), Buffer.from(this.#token)];
    if (given.length !== own.length || !timingSafeEqual(given, own)) throw protocolError('a wrong token');
    this.#isWelcome = true;
    this.#joinsEnd = joinsEnd === true;
    clearTimeout(this.#helloTimer);
    this.#connection.send(frame(FRAME.welcome));
  }
}
