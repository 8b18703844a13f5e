/** Codecs: bodies that are compressed and encrypted, outside of the event loop. Codecs wrap each other, and a bus reads all that it knows. */

import type { webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress } from 'node:zlib';
import { type Codec, connect, jsonCodec } from 'busbar';

const compress = promisify(brotliCompress);
const decompress = promisify(brotliDecompress);

/** Compresses what another codec encodes. */
function compressed(inner: Codec): Codec {
  return {
    contentType: `${inner.contentType}+br`,
    encode: async (value) => compress(await inner.encode(value)),
    decode: async (bytes) => inner.decode(await decompress(bytes)),
  };
}

/** Encrypts what another codec encodes, with AES-GCM of Web Crypto: 12 bytes of nonce, then the text and its tag. */
function encrypted(inner: Codec, key: webcrypto.CryptoKey): Codec {
  return {
    contentType: `${inner.contentType}+aes`,
    async encode(value) {
      const iv = crypto.getRandomValues(new Uint8Array(12));
      const text = new Uint8Array(await inner.encode(value));
      return Buffer.concat([iv, new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, text))]);
    },
    async decode(bytes) {
      const [iv, text] = [bytes.slice(0, 12), bytes.slice(12)];
      return inner.decode(new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, text)));
    },
  };
}

// In a program: the same secret key in all processes.
const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
const small = compressed(jsonCodec);

await using bus = await connect(undefined, { codec: encrypted(small, key), codecs: [small] });
const done = Promise.withResolvers<string>();
await bus.process<string, void>('letters', ({ body }) => done.resolve(body.slice(0, 5)));
await bus.enqueue('letters', 'hello '.repeat(1_000));
console.log(await done.promise); // hello
