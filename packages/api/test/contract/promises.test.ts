// Promises inside of values that are refused or thrown: their rejections do not end the process.
import { jsonCodec } from '@busbar/api';
import { expect, it, onTestFinished } from 'vitest';
import { BodyCodec } from '../../src/bus/messages/body-codec.ts';
import { validateSent } from '../../src/bus/messages/schema.ts';
import { silenceAll } from '../../src/contract/promises.ts';
import { sayThrown } from '../../src/contract/thrown.ts';

/** Waits until rejections without a handler would have been reported. */
async function rejectionsOf(run: () => unknown): Promise<unknown[]> {
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  try {
    await run();
  } catch {
    // The refusal.
  }
  for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
  return rejections;
}

const late = async (): Promise<never> => {
  throw new Error('late');
};
const never = { '~standard': { version: 1, vendor: 'x', validate: () => ({ issues: [{ message: 'no' }] }) } } as const;

it.each<[name: string, make: () => unknown]>([
  ['an array', () => [1, 2, 3].map(late)],
  ['members', () => ({ a: late(), b: { c: [late()] } })],
  ['a map and a set', () => [new Map([[late(), late()]]), new Set([late()])]],
  ['an error', () => new AggregateError([late(), { a: late() }], 'x', { cause: { inner: late() } })],
  ['a property that is not enumerable', () => Object.defineProperty({}, 'hidden', { value: late() })],
  [
    'a getter',
    () => ({
      get cause() {
        return late();
      },
      message: late(),
    }),
  ],
  ['a function', () => Object.assign(() => 1, { a: late() })],
  ['many', () => Array.from({ length: 5_000 }, late)],
  [
    'a circle',
    () => {
      const circle: Record<string, unknown> = { a: late() };
      circle['b'] = [circle, late()];
      return circle;
    },
  ],
])('in %s are silenced', async (_, make) => {
  const schema = never;
  const slow = { contentType: 'x/slow', encode: () => Promise.reject(new Error('no')), decode: () => 1 };
  expect(await rejectionsOf(() => sayThrown(make()))).toEqual([]);
  expect(await rejectionsOf(() => jsonCodec.encode([1n, make()]))).toEqual([]);
  expect(await rejectionsOf(() => new BodyCodec({ codec: slow }).encode([make()]))).toEqual([]);
  expect(await rejectionsOf(() => validateSent(new BodyCodec(), schema, make(), 'it'))).toEqual([]);
});

it('are searched without getters, and an end of the search is no error', () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  let deep: unknown = 1;
  for (let level = 0; level < 10_000; level += 1) deep = { deep };
  const calls: string[] = [];
  const trap = {
    get b() {
      calls.push('b');
      return 1;
    },
  };
  silenceAll([proxy, deep, trap, Uint8Array.of(1), null, 'text', new Array(1_000_000)]);
  expect(calls).toEqual([]);
});
