/** Records of one batch as bytes. Strings that wait for the log would keep the garbage collector busy. */

/** The usual size of a batch. */
const BATCH_BYTES = 131_072;
/** UTF-8 has up to this many bytes for a UTF-16 unit. */
const MAX_UNIT_BYTES = 3;
const LINE_FEED = 0x0a;
const NOTHING = new Uint8Array(0);

/**
 * The body of an event of the log, which grows record by record. Each record is a line of JSON, behind it the recorded bytes
 * of its message as they are: to write them as JSON cost more than the rest of a record.
 */
export class BatchBuffer {
  /** The number of the first record. It identifies the batch. */
  readonly first: number;
  readonly #bytes: Buffer;
  #length = 0;

  /** Begins with the record `n`, whose JSON is `json`. */
  constructor(process: string, n: number, json: string, body: Uint8Array = NOTHING) {
    const head = JSON.stringify({ process });
    this.first = n;
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(BATCH_BYTES, sizeOf(head, NOTHING) + sizeOf(json, body)));
    this.add(head);
    this.add(json, body);
  }

  get byteLength(): number {
    return this.#length;
  }

  /** Adds a record, unless the batch is full. */
  add(json: string, body: Uint8Array = NOTHING): boolean {
    if (this.#length + sizeOf(json, body) > this.#bytes.byteLength) return false;
    const end = this.#length + this.#bytes.write(json, this.#length);
    this.#bytes[end] = LINE_FEED;
    this.#bytes.set(body, end + 1);
    this.#length = end + 1 + body.byteLength;
    return true;
  }

  /** The whole body. Records may be added afterwards. */
  get body(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** The bytes of a line and what follows it, at most. */
function sizeOf(json: string, body: Uint8Array): number {
  return json.length * MAX_UNIT_BYTES + 1 + body.byteLength;
}
