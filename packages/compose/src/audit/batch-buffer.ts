/** Records of one batch as bytes. Strings that wait for the log would keep the garbage collector busy. */

/** The usual size of a batch. */
const BATCH_BYTES = 131_072;
/** UTF-8 has up to this many bytes for a UTF-16 unit. */
const MAX_UNIT_BYTES = 3;
/** What ends a batch, and a comma. */
const REST_BYTES = 3;

/** The body of an event of the log, which grows record by record. */
export class BatchBuffer {
  /** The number of the first record. It identifies the batch. */
  readonly first: number;
  readonly #bytes: Buffer;
  #length: number;

  /** Begins with the record `n`, whose JSON is `text`. */
  constructor(process: string, n: number, text: string) {
    const start = `{"process":${JSON.stringify(process)},"records":[${text}`;
    this.first = n;
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(BATCH_BYTES, start.length * MAX_UNIT_BYTES + REST_BYTES));
    this.#length = this.#bytes.write(start);
  }

  get byteLength(): number {
    return this.#length;
  }

  /** Adds a record, unless the batch is full. */
  add(text: string): boolean {
    if (this.#length + text.length * MAX_UNIT_BYTES + REST_BYTES > this.#bytes.byteLength) return false;
    this.#length += this.#bytes.write(`,${text}`, this.#length);
    return true;
  }

  /** The whole body. Records may be added afterwards. */
  get body(): Uint8Array {
    const end = this.#bytes.write(']}', this.#length);
    return this.#bytes.subarray(0, this.#length + end);
  }
}
