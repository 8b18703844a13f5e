/** Codecs: bodies that are compressed and encrypted. Codecs wrap each other, and a bus reads all that it knows. */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import { type Codec, connect, jsonCodec } from 'busbar';

/** Compresses what another codec encodes. */
function compressed(inner: Codec): Codec {
  return {
    contentType: `${inner.contentType}+br`,
    encode: (value) => brotliCompressSync(inner.encode(value)),
    decode: (bytes) => inner.decode(brotliDecompressSync(bytes)),
  };
}

/** Encrypts what another codec encodes, with AES-256-GCM: 12 bytes of nonce, 16 of tag, then the text. */
function encrypted(inner: Codec, key: Uint8Array): Codec {
  return {
    contentType: `${inner.contentType}+aes`,
    encode(value) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const text = Buffer.concat([cipher.update(inner.encode(value)), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), text]);
    },
    decode(bytes) {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAuthTag(bytes.subarray(12, 28));
      return inner.decode(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]));
    },
  };
}

const key = randomBytes(32); // In a program: the same secret key in all processes.
const small = compressed(jsonCodec);

await using bus = await connect(undefined, { codec: encrypted(small, key), codecs: [small] });
const done = Promise.withResolvers<string>();
await bus.process<string, void>('letters', ({ body }) => done.resolve(body.slice(0, 5)));
await bus.enqueue('letters', 'hello '.repeat(1_000));
console.log(await done.promise); // hello
