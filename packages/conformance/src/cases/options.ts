/** Errors and bad input: options of a backend mean the same on every backend, or are refused by name. */

import { type BusbarError, isBusbarError } from '@busbar/api';
import type { Transport } from '@busbar/api/transport';
import { type ConformanceCase, defineCases } from '../case.ts';
import type { TestContext } from '../context/test-context.ts';
import type { StoreOptions } from '../harness.ts';
import { shown } from '../inputs/bad-inputs.ts';
import { receiveOne } from '../steps/consuming.ts';

const NO_NUMBERS: readonly unknown[] = [Number.NaN, Number.NEGATIVE_INFINITY, -1, '1', null, true, {}];
const NAMESPACES = ['a', '0', 'A-b_c@d/e:f+g~h.i', '..', '/', 'x'.repeat(64)];
const BAD_NAMESPACES = [
  '',
  ' ',
  'a b',
  'a\tb',
  'a\0b',
  'ä',
  '*',
  'a>',
  '$a',
  'a%b',
  'a?b',
  'x'.repeat(65),
  5,
  null,
  {},
];

/** The cases about options. */
const shared = { group: 'Errors/bad input', harnessFeatures: ['options'] } as const;

export const cases: readonly ConformanceCase[] = defineCases(shared, [
  {
    id: 'E10',
    title: 'every backend accepts and refuses the same namespaces, and isolates them',
    rules: ['RA1', 'RA4'],
    timeoutMs: 60_000,
    async run(test) {
      await assertOptionsRefused(test, 'ns', BAD_NAMESPACES);
      for (const [index, ns] of NAMESPACES.entries()) {
        const transport = await openOrUnsupported(test, 'ns', { ns });
        if (transport === undefined) return;
        await test.send(transport, 'inbox', test.messages(1, {}, `${index}.`));
      }
      for (const [index, ns] of NAMESPACES.entries()) {
        await using transport = await test.openWith({ ns });
        test.check.equal(test.text(await receiveOne(test, transport, 'inbox')), `${index}.0`, `message of ${ns}`);
        await transport.admin.clear();
      }
    },
  },
  {
    id: 'E11',
    title: 'every backend accepts and refuses the same retention and dedupe windows, `Infinity` included',
    rules: ['RA1', 'RT6'],
    timeoutMs: 60_000,
    async run(test) {
      for (const [field, bad] of [
        ['maxEvents', [0, 1.5]],
        ['maxBytes', [0, 1.5]],
        ['maxAgeMs', [0, 999]],
      ] as const) {
        await assertOptionsRefused(
          test,
          'retention',
          [...NO_NUMBERS, ...bad].map((value) => ({ [field]: value })),
        );
        for (const value of [1_000, Number.POSITIVE_INFINITY]) {
          const transport = await openOrUnsupported(test, 'retention', { retention: { [field]: value } });
          test.check.equal(transport?.capabilities.retention[field] ?? value, value, `retention.${field}`);
        }
      }
      await assertOptionsRefused(test, 'retention', [5, 'all', [], { maxEvent: 5 }]);
      await assertOptionsRefused(test, 'topicDedupeMs', [
        ...NO_NUMBERS,
        119_999,
        604_800_001,
        Number.POSITIVE_INFINITY,
      ]);
      for (const topicDedupeMs of [120_000, 604_800_000]) {
        await openOrUnsupported(test, 'topicDedupeMs', { topicDedupeMs });
      }
    },
  },
  {
    id: 'E12',
    title: 'an unknown option is refused by its name',
    rules: ['RA1'],
    async run(test) {
      for (const name of ['maxEvents', 'retentionMs', 'nameSpace', 'Ns', 'toString']) {
        const error = await test.check.rejects(() => test.openWith({ [name]: 5 }), 'INVALID_ARGUMENT', name);
        test.check.ok(error.message.includes(name), `the error names ${name}: ${error.message}`);
      }
    },
  },
]);

/** Asserts that each value of the option is refused. A backend without the option refuses all of them by its name. */
async function assertOptionsRefused(test: TestContext, name: string, values: readonly unknown[]): Promise<void> {
  for (const value of values) {
    const what = `${name} = ${shown(JSON.stringify(value))}`;
    const opening = test.openWith({ [name]: value });
    const error = await test.check.rejects(opening, ['INVALID_ARGUMENT', 'UNSUPPORTED'], what);
    test.check.equal(error.outcome, 'failed', `outcome of ${what}`);
    assertNamed(test, name, error);
  }
}

/** Opens with a legal option. Undefined if the backend refuses the option by its name. */
async function openOrUnsupported(
  test: TestContext,
  name: string,
  options: StoreOptions,
): Promise<Transport | undefined> {
  try {
    const transport = await test.openWith(options);
    test.check.ok(true, `${name} is accepted`);
    return transport;
  } catch (error) {
    if (!isBusbarError(error) || error.code !== 'UNSUPPORTED') throw error;
    assertNamed(test, name, error);
    return undefined;
  }
}

function assertNamed(test: TestContext, name: string, error: BusbarError): void {
  test.check.ok(error.message.includes(name), `the error names ${name}: ${error.message}`);
}
