// A client written from docs/protocol.md alone, without the library, as in another language.
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

type Header = Record<string, unknown>;

/** A received frame; its bodies are text. */
export interface PageFrame {
  readonly type: number;
  readonly id: number;
  readonly header: Header;
  readonly bodies: readonly string[];
}

/** A client of a hub. */
export class PageClient {
  readonly #socket: Socket;
  readonly #frames: PageFrame[] = [];
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (piece: Buffer) => this.#read(piece));
    socket.on('error', () => undefined);
  }

  static async open(path: string, hello: Header = {}): Promise<[PageClient, PageFrame]> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const client = new PageClient(socket);
    const token = readFileSync(`${path}.token`, 'utf8').trim();
    client.send(1, 0, { version: 1, token, ...hello });
    return [client, await client.take(({ type }) => type === 2 || type === 5)];
  }

  send(type: number, id: number, header: Header, bodies: readonly string[] = []): void {
    const json = Buffer.from(JSON.stringify(header));
    const parts = bodies.flatMap((body) => [number(Buffer.byteLength(body)), Buffer.from(body)]);
    const rest = Buffer.concat([Buffer.of(type), number(id), number(json.length), json, ...parts]);
    this.#socket.write(Buffer.concat([number(rest.length), rest]));
  }

  /** Sends a request and returns its response or error. */
  async request(id: number, header: Header, bodies: readonly string[] = []): Promise<PageFrame> {
    this.send(3, id, header, bodies);
    return this.take((frame) => frame.id === id && (frame.type === 4 || frame.type === 5));
  }

  /** Returns the first frame that matches, and answers pings meanwhile. */
  async take(matches: (frame: PageFrame) => boolean): Promise<PageFrame> {
    for (;;) {
      const index = this.#frames.findIndex(matches);
      if (index >= 0) return this.#frames.splice(index, 1)[0]!;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.send(12, 0, { reason: 'done' });
    this.#socket.end();
  }

  #read(piece: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, piece]);
    while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readUInt32BE(0)) {
      const length = this.#bytes.readUInt32BE(0);
      this.#frame(this.#bytes.subarray(4, 4 + length));
      this.#bytes = this.#bytes.subarray(4 + length);
    }
    this.#wake();
  }

  #frame(bytes: Buffer): void {
    const headerEnd = 9 + bytes.readUInt32BE(5);
    const bodies: string[] = [];
    for (let at = headerEnd; at < bytes.length; at += 4 + bytes.readUInt32BE(at)) {
      bodies.push(bytes.toString('utf8', at + 4, at + 4 + bytes.readUInt32BE(at)));
    }
    const header = JSON.parse(bytes.toString('utf8', 9, headerEnd)) as Header;
    if (bytes[0] === 10) this.send(11, 0, {});
    else this.#frames.push({ type: bytes[0]!, id: bytes.readUInt32BE(1), header, bodies });
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
