/** Payload: bodies arrive bit for bit. */

import { createHash } from 'node:crypto';
import { type ConformanceCase, defineCases } from '../case.ts';
import { consume, receiveOne, settle } from '../steps/consuming.ts';
import { follow, publish } from '../steps/event-log.ts';

const encoder = new TextEncoder();

/** Bytes that a text store, a C string or a custom base64 would change. */
const AWKWARD: readonly Uint8Array[] = [
  Uint8Array.from({ length: 256 }, (_, byte) => byte),
  ...[[0], [0, 0, 65, 0], [10], [13, 10, 13], [0xef, 0xbb, 0xbf, 65], [0xff, 0xfe, 65, 0], [0x80], [0xc0, 0x80]],
  ...[[0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x1a], [0x5c, 0x30], [34, 39, 96, 37, 59]],
].map((bytes) => Uint8Array.from(bytes));

/** Text that wrong character handling would change. */
const TEXTS: readonly string[] = [
  ...[
    'ä',
    'a\u0308',
    '\u212b\u00c5',
    'ß',
    'İi',
    '中文',
    'עברית',
    '👩‍👩‍👧‍👦',
    '🏳️‍🌈',
    '\u{10ffff}',
    '\u2028\u2029',
    '\ufeffBOM',
    '\ufffd',
  ],
  ...['{"json":"true"}', 'null', '"quoted"', "'; DROP TABLE messages; --", '%s %d \\u0041 \\x00', ' \t\r\n ', '\u0000'],
];

export const cases: readonly ConformanceCase[] = defineCases({ group: 'Payload' }, [
  {
    id: 'V2',
    title: 'arbitrary bytes arrive bit for bit, whatever the content type',
    rules: ['RA5'],
    smoke: true,
    async run(test, transport) {
      const random = Uint8Array.from({ length: 5_000 }, () => Math.floor(test.random() * 256));
      const contentTypes = ['application/octet-stream', 'application/json', 'text/plain; charset=utf-8', 'x'];
      const messages = contentTypes.flatMap((contentType) =>
        [...AWKWARD, random].map((body) => ({ contentType, body })),
      );
      await test.send(transport, 'inbox', messages);
      const got = await consume(test, await test.open(), 'inbox', messages.length);
      for (const [index, { contentType, body }] of messages.entries()) {
        const one = got[index];
        test.check.equal(one?.contentType, contentType, 'content type');
        test.check.equal(plain(one?.body), plain(body), `bytes sent as ${contentType}`);
      }
      for (const [index, bytes] of AWKWARD.entries()) await transport.kv.put(`awkward/${index}`, bytes);
      const entries = await (await test.open()).kv.list('awkward/');
      for (const { key, value } of entries) {
        test.check.equal(plain(value), plain(AWKWARD[Number(key.slice(8))]), `the value of ${key}`);
      }
      test.check.equal(entries.length, AWKWARD.length, 'entries');
    },
  },
  {
    id: 'V3',
    title: 'an empty body arrives as an empty body in queues, topics, dead letters and keys',
    rules: ['RA5'],
    async run(test, transport) {
      const empty = { body: new Uint8Array(0), contentType: 'application/json' };
      const bodies: (Uint8Array | undefined)[] = [];
      const log = await follow(test, transport, 'news');
      await publish(test, transport, 'news', [empty]);
      await log.has([''], 'an empty event');
      await test.send(transport, 'inbox', [empty, { ...empty, contentType: 'text/plain' }]);
      const [first] = await test.receive(transport, 'inbox', 2);
      if (first) await settle(test, transport, [first], { action: 'reject' });
      const [letter] = (await transport.admin.browse('inbox', { state: 'dead' })).messages;
      await transport.kv.put('empty', empty.body);
      const entry = await transport.kv.get('empty');
      bodies.push(log.events[0]?.body, first?.body, letter?.message.body, entry?.value);
      for (const body of bodies) test.check.ok(body instanceof Uint8Array && body.byteLength === 0, 'an empty body');
    },
  },
  {
    id: 'V4',
    title: 'text in any script arrives unchanged, in bodies and in every text field',
    rules: ['RA5', 'RA4'],
    async run(test, transport) {
      const log = await follow(test, transport, 'news');
      const messages = TEXTS.map(spelled);
      await test.send(transport, 'inbox', messages);
      await publish(test, transport, 'news', messages);
      await test.until('all events', () => log.events.length === messages.length);
      const got = await consume(test, await test.open(), 'inbox', messages.length);
      for (const [index, { body, ...fields }] of messages.entries()) {
        for (const one of [got[index], log.events[index]]) {
          const { id, type, from, to, correlationId, causationId } = one ?? {};
          test.check.equal({ id, type, from, to, correlationId, causationId }, fields, 'fields');
          test.check.equal(plain(one?.body), plain(body), `the body of ${fields.id}`);
        }
      }
    },
  },
  {
    id: 'V5',
    title: 'bodies of every size up to the limit arrive; one byte more is refused',
    rules: ['RA5'],
    smoke: true,
    async run(test) {
      const [transport, reader] = [await test.transport(), await test.open()];
      const { maxBodyBytes } = transport.capabilities;
      const sizes = [1, 127, 128, 255, 256, 1_023, 4_095, 4_096, 8_193, 65_535, 65_536, 131_073, 262_144];
      const log = await follow(test, reader, 'news', { max: 1 });
      for (const size of [...sizes, maxBodyBytes - 1, maxBodyBytes]) {
        const body = pattern(size);
        await test.send(transport, 'inbox', [{ body }]);
        const [got] = await consume(test, reader, 'inbox', 1);
        test.check.equal(got?.body.byteLength, size, 'size of a body');
        test.check.ok(got !== undefined && Buffer.compare(got.body, body) === 0, `${size} bytes of a body`);
        if (size < maxBodyBytes - 1) continue;
        await publish(test, transport, 'news', [{ body }]);
        const event = await test.until(`an event of ${size} bytes`, () => log.events[size - maxBodyBytes + 1]);
        test.check.ok(Buffer.compare(event.body, body) === 0, `${size} bytes of an event`);
      }
      const over = [{ body: new Uint8Array(maxBodyBytes + 1) }];
      await test.check.rejects(transport.queues.send('inbox', over), 'PAYLOAD_TOO_LARGE', 'one byte more');
      const larger = transport.topics.publish('news', over);
      await test.check.rejects(larger, 'PAYLOAD_TOO_LARGE', 'one byte more of an event');
      await transport.kv.put('large', pattern(65_536));
      const entry = await reader.kv.get('large');
      test.check.ok(entry && Buffer.compare(entry.value, pattern(65_536)) === 0, 'the largest value of a key');
      await test.nothing(reader, 'inbox', 20);
    },
  },
  {
    id: 'V9',
    title: 'changes by the caller after the call, and by the receiver after the delivery, have no effect',
    rules: ['RA5'],
    smoke: true,
    async run(test, transport) {
      const { queues, topics, kv } = transport;
      const log = await follow(test, transport, 'news');
      for (const what of ['small', 'x'.repeat(20_000)]) {
        const [message, event] = [spoilable(what), spoilable(what)];
        const [batch, value] = [[message], encoder.encode(what)];
        const calls = [queues.send('inbox', batch), topics.publish('news', [event]), kv.put('key', value)];
        batch.push(spoilable('added'));
        for (const spoiled of [message, event]) spoil(spoiled);
        value.fill(0);
        await Promise.all(calls);
        const got = await receiveOne(test, transport, 'inbox');
        test.check.equal([test.text(got), got.headers['kind']], [what, 'original'], 'sent message');
        got.body.fill(0);
        await settle(test, transport, [got], { action: 'release' });
        const [again] = await consume(test, transport, 'inbox', 1);
        test.check.equal(again && test.text(again), what, 'redelivered message');
        (await kv.get('key'))?.value.fill(0);
        const { value: kept } = (await kv.get('key')) ?? { value: value };
        test.check.equal(test.text({ body: kept }), what, 'the value of the key');
      }
      await log.has(['small', 'x'.repeat(20_000)], 'events');
      await test.nothing(transport, 'inbox', 20);
    },
  },
  {
    id: 'V10',
    title: 'a view into a larger buffer sends exactly its own bytes',
    rules: ['RA5'],
    async run(test, transport) {
      const whole = Uint8Array.from({ length: 64 }, (_, index) => index);
      const shared = new Uint8Array(new SharedArrayBuffer(8), 1, 3).fill(7);
      const views = [
        ...[whole.subarray(5, 9), whole.subarray(63), whole.subarray(10, 10), new Uint8Array(whole.buffer, 33, 7)],
        ...[Buffer.from('pooled'), Buffer.from('also pooled').subarray(5), shared, new Shout([1, 2, 3])],
      ];
      const messages = views.map((body) => ({ body }));
      await test.send(transport, 'inbox', messages);
      const got = await consume(test, await test.open(), 'inbox', views.length);
      const log = await follow(test, transport, 'news', { from: 'start' });
      await publish(test, transport, 'news', messages);
      await test.until('the events', () => log.events.length === views.length);
      for (const [index, view] of views.entries()) {
        test.check.equal(plain(got[index]?.body), plain(view), `message ${index}`);
        test.check.equal(plain(log.events[index]?.body), plain(view), `event ${index}`);
        await transport.kv.put('view', view);
        test.check.equal(plain((await transport.kv.get('view'))?.value), plain(view), `entry ${index}`);
      }
    },
  },
  {
    id: 'V11',
    title: 'a stream of chunks has the same hash at the other end of a queue and of a topic',
    rules: ['RA5', 'RQ4', 'RT1'],
    async run(test) {
      const [sender, receiver] = [await test.transport(), await test.open()];
      const chunks = Array.from({ length: 120 }, () => pattern(Math.floor(test.random() * 60_000), test.random()));
      const events: Uint8Array[] = [];
      await receiver.topics.subscribe('stream', {}, (batch) => {
        events.push(...batch.map(({ body }) => body));
      });
      const sends = chunks.map((body) => test.send(sender, 'stream', [{ body }]));
      const publishes = chunks.map((body) => publish(test, sender, 'stream', [{ body }]));
      const got = await consume(test, receiver, 'stream', chunks.length, 7);
      await Promise.all([...sends, ...publishes]);
      await test.until('all events', () => events.length >= chunks.length);
      const expected = hashOf(chunks);
      test.check.equal(hashOf(got.map(({ body }) => body)), expected, 'hash of the messages of the queue');
      test.check.equal(hashOf(events), expected, 'hash of the events of the topic');
    },
  },
]);

/** A subclass of Uint8Array, as some libraries use. */
class Shout extends Uint8Array {}

/** A message with `text` in its body and in every text field that allows it. */
function spelled(text: string, index: number) {
  const legal = [...text.replaceAll(/\p{Cc}/gu, '.')].slice(0, 20).join('');
  const fields = { type: legal, from: legal, to: legal, correlationId: legal, causationId: legal };
  return { id: `${legal}-${index}`, ...fields, body: encoder.encode(text) };
}

interface Spoilable {
  body: Uint8Array;
  headers: { kind: string };
  priority: number;
}

function spoilable(text: string): Spoilable {
  return { body: encoder.encode(text), headers: { kind: 'original' }, priority: 4 };
}

function spoil(message: Spoilable): void {
  message.body.fill(0);
  message.headers.kind = 'spoiled';
  message.priority = 9;
  message.body = new Uint8Array(1);
}

/** Converts bytes to a plain array, to compare different kinds of views. */
function plain(bytes: Uint8Array | undefined): number[] | undefined {
  return bytes && Array.from(bytes);
}

function pattern(size: number, seed = 0.5): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = Math.floor(seed * 0x7fffffff) | 1;
  for (let index = 0; index < size; index += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    bytes[index] = state >>> 16;
  }
  return bytes;
}

function hashOf(chunks: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}
