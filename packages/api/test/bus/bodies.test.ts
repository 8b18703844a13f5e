// Bodies: the list of what JSON would change, with its path.
import { jsonCodec } from '@busbar/api';
import { describe, expect, it } from 'vitest';
import { asReceived } from '../../src/bus/messages/as-received.ts';
import { BodyCodec } from '../../src/bus/messages/body-codec.ts';
import { findJsonLoss, isExactJson } from '../../src/bus/messages/json-loss.ts';

class Point {
  readonly x = 1;
}

const circle: { self?: unknown } = {};
circle.self = { again: circle };

function argumentsOf(..._: unknown[]): unknown {
  // biome-ignore lint/complexity/noArguments: they are what is tested
  return arguments;
}

function rawJson(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);
}

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = [value];
  return value;
}

describe('JSON loses', () => {
  it.each<[value: unknown, what: string, path: string]>([
    [undefined, 'undefined', ''],
    [Number.NaN, 'NaN', ''],
    [{ a: { b: [1, Number.POSITIVE_INFINITY] } }, 'Infinity', 'a.b[1]'],
    [{ 'two words': 1n }, 'a bigint', '["two words"]'],
    [[[() => 1]], 'a function', '[0][0]'],
    [{ a: Symbol('s') }, 'a symbol', 'a'],
    [[1, undefined], 'undefined', '[1]'],
    [new Array(2), 'undefined', '[0]'],
    [{ e: new Error('no') }, 'an Error', 'e'],
    [{ e: new (class MyError extends Error {})('no') }, 'a MyError', 'e'],
    [[Promise.resolve(1)], 'a Promise', '[0]'],
    [[new Map()], 'a Map', '[0]'],
    [[new Set()], 'a Set', '[0]'],
    [[new WeakSet()], 'a WeakSet', '[0]'],
    [[/a/], 'a RegExp', '[0]'],
    [[new Point()], 'a Point', '[0]'],
    [[Object(1)], 'a Number', '[0]'],
    [[Object('a')], 'a String', '[0]'],
    [[Uint8Array.of(1)], 'a Uint8Array', '[0]'],
    [[Buffer.of(1)], 'a Buffer', '[0]'],
    [[new DataView(new ArrayBuffer(1))], 'a DataView', '[0]'],
    [[new ArrayBuffer(1)], 'an ArrayBuffer', '[0]'],
    [Object.create({ a: 1 }), 'an object with a prototype', ''],
    [{ at: new Date(Number.NaN) }, 'an invalid Date', 'at'],
    [[{ toJSON: () => undefined }], 'a toJSON that returns undefined', '[0]'],
    [[{ toJSON: () => [new Map()] }], 'a Map', '[0][0]'],
    [{ text: '\ud800' }, 'a lone surrogate', 'text'],
    [{ found: 'abc'.match(/b/) }, 'a RegExp match', 'found'],
    [{ lib: Math }, 'the namespace Math', 'lib'],
    [[Intl], 'the namespace Intl', '[0]'],
    [[JSON], 'the namespace JSON', '[0]'],
    [[argumentsOf(1)], 'the arguments of a function', '[0]'],
    [[argumentsOf()], 'the arguments of a function', '[0]'],
    [{ n: rawJson('12345678901234567890') }, 'digits that are rounded', 'n'],
    [circle, 'a cycle', 'self.again'],
    [deep(100_000), 'too many levels', expect.stringMatching(/^(\[0\]){20,}.*\.\.\.$/) as string],
  ])('%#', (value, what, path) => {
    expect(findJsonLoss(value)).toEqual({ what, path });
    if (value !== undefined) expect(() => jsonCodec.encode(value)).toThrow(what);
  });

  it.each<[value: unknown, isExact: boolean]>([
    [{ a: [1, 'x', null, true, { b: {} }] }, true],
    [Object.create(null), true],
    [{ a: undefined }, false],
    [{ at: new Date(0) }, false],
    [{ to: new URL('http://a/') }, false],
    [{ toJSON: 1 }, true],
    [{ a: 1, [Symbol('s')]: new Map() }, true],
    [JSON.parse('{"__proto__":{"a":1}}'), true],
    [deep(1000), true],
    [{ 0: 'a', length: 1 }, true],
    [{ [Symbol.toStringTag]: 'Mine' }, true],
    ['ab'.match(/./g), true],
    ['a,b'.split(','), true],
    [{ n: rawJson('1.5'), t: rawJson('"x"') }, false],
  ])('nothing of %#', (value, isExact) => {
    expect(findJsonLoss(value)).toBeUndefined();
    expect(isExactJson(value)).toBe(isExact);
  });

  it('nothing of objects of another realm', async () => {
    const { runInNewContext } = await import('node:vm');
    expect(findJsonLoss(runInNewContext('({ a: [1, { b: 2 }] })'))).toBeUndefined();
    expect(findJsonLoss(runInNewContext('({ a: new Map() })'))).toEqual({ what: 'a Map', path: 'a' });
  });
});

describe('the codec of a bus', () => {
  it('limits bodies, and refuses a codec that returns no bytes', () => {
    const codec = new BodyCodec({ maxBytes: 10 });
    expect(codec.encode('12345678')).toMatchObject({ body: { length: 10 } });
    expect(() => codec.encode('123456789')).toThrow(expect.objectContaining({ code: 'PAYLOAD_TOO_LARGE' }));
    expect(() => codec.encode(new Uint8Array(11))).toThrow(expect.objectContaining({ code: 'PAYLOAD_TOO_LARGE' }));
    const text = { contentType: 'x/text', encode: () => 'text', decode: () => 1 };
    const broken = new BodyCodec({ codec: text as never });
    expect(() => broken.encode(1)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('knows what a receiver gets', () => {
    const codec = new BodyCodec();
    const plain = { a: 1 };
    expect(asReceived(codec, plain)).toBe(plain);
    expect(asReceived(codec, { at: new Date(0), gone: undefined })).toEqual({ at: '1970-01-01T00:00:00.000Z' });
  });
});
