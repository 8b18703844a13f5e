/** Encodes and decodes bodies of messages by content type. */

import { BusbarError, bodyTooLarge, invalid, isBusbarError } from '../../contract/errors.ts';
import { silenceAll } from '../../contract/promises.ts';
import { textOf } from '../../contract/thrown.ts';
import { checkArray, describe } from '../../contract/validation.ts';
import { type Codec, jsonCodec } from './codec.ts';
import type { EncodingOrder } from './encoding-order.ts';
import type { Later } from './later.ts';

/** A body as bytes. */
export interface EncodedBody {
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** The part of {@link BodyCodec} that is left without asynchronous codecs. */
export interface PlainBodyCodec {
  encode(value: unknown): EncodedBody;
  decode(body: EncodedBody): unknown;
}

/** The content type of plain bytes. */
export const OCTETS = 'application/octet-stream';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** What a {@link BodyCodec} is made of. */
export interface BodyCodecOptions {
  readonly codec?: Codec | undefined;
  readonly codecs?: readonly Codec[] | undefined;
  /** The largest body. Default: no limit. */
  readonly maxBytes?: number;
  /** Keeps the order of encoded bodies. Only asynchronous codecs need it. */
  readonly order?: EncodingOrder | undefined;
}

/** The codecs of one bus. It encodes with the first and decodes with each by its content type. */
export class BodyCodec {
  /** It encodes. */
  readonly writer: Codec;
  readonly #maxBytes: number;
  readonly #readers = new Map<string, Codec>();
  readonly #order: EncodingOrder | undefined;

  constructor({ codec = jsonCodec, codecs = [], maxBytes = Number.POSITIVE_INFINITY, order }: BodyCodecOptions = {}) {
    checkArray(codecs, 'codecs', 100);
    this.#maxBytes = maxBytes;
    this.#order = order;
    for (const one of [codec, ...codecs, jsonCodec]) {
      checkCodec(one);
      const name = mediaType(one.contentType);
      if (!this.#readers.has(name)) this.#readers.set(name, one);
    }
    this.writer = codec;
  }

  /**
   * Encodes a value; a Uint8Array stays as it is. Throws INVALID_ARGUMENT for a value that the codec cannot encode, and
   * PAYLOAD_TOO_LARGE for a body over the limit of the transport. Promises of an asynchronous codec resolve in the order of
   * the calls.
   */
  encode(value: unknown): Later<EncodedBody> {
    const encoded = this.#encode(value);
    return this.#order === undefined ? encoded : this.#order.keep(encoded);
  }

  #encode(value: unknown): Later<EncodedBody> {
    try {
      if (value instanceof Uint8Array) return this.#toEncoded(value, OCTETS);
      const { contentType } = this.writer;
      const body: unknown = this.writer.encode(value);
      if (!(body instanceof Promise)) return this.#toEncoded(body, contentType);
      return body
        .then((late) => this.#toEncoded(late, contentType))
        .catch((error: unknown) => this.#refuse(value, error));
    } catch (error) {
      return this.#refuse(value, error);
    }
  }

  #toEncoded(body: unknown, contentType: string): EncodedBody {
    if (!(body instanceof Uint8Array)) throw new TypeError(`it returned ${describe(body)}, not a Uint8Array`);
    if (body.byteLength > this.#maxBytes) throw bodyTooLarge(body.byteLength, this.#maxBytes);
    return { body, contentType };
  }

  #refuse(value: unknown, error: unknown): never {
    silenceAll(value);
    throw isBusbarError(error) ? error : badBody(`the codec ${this.writer.contentType} cannot encode the body`, error);
  }

  /**
   * Decodes a body: text for `text/…`, bytes for an unknown content type. Throws INVALID_ARGUMENT. A promise of an
   * asynchronous codec.
   */
  decode({ body, contentType }: EncodedBody): unknown {
    const exact = this.#readers.get(contentType);
    const name = exact === undefined ? mediaType(contentType) : contentType;
    const codec = exact ?? this.#readers.get(name) ?? (name.endsWith('+json') ? jsonCodec : undefined);
    try {
      if (codec === undefined) return name.startsWith('text/') ? decodeText(body) : body;
      const value = codec.decode(body);
      return value instanceof Promise ? value.catch((error: unknown) => refuseBody(name, error)) : value;
    } catch (error) {
      return refuseBody(name, error);
    }
  }
}

/** Throws INVALID_ARGUMENT for a body that its codec cannot decode. */
export function refuseBody(name: string, cause: unknown): never {
  throw badBody(`the body is not ${name}`, cause);
}

function badBody(text: string, cause: unknown): BusbarError {
  return new BusbarError('INVALID_ARGUMENT', text, {
    hint: textOf(cause),
    cause,
  });
}

function checkCodec(codec: Codec): void {
  const legal =
    typeof codec === 'object' &&
    codec !== null &&
    typeof codec.contentType === 'string' &&
    typeof codec.encode === 'function' &&
    typeof codec.decode === 'function';
  if (legal) return;
  throw invalid(`illegal codec: ${describe(codec)}`, 'A codec has contentType, encode and decode.');
}

/** Decodes a body of the type `text/…`. */
export function decodeText(body: Uint8Array): string {
  return decoder.decode(body);
}

/** The content type without its parameters. */
export function mediaType(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}
