import { BusbarError } from '@busbar/api';
import { runCase } from '@busbar/conformance';
import { expect, test } from 'vitest';
import { stubCase, stubHarness } from './stub-harness.ts';

const refusing = (): Promise<never> => Promise.reject(new BusbarError('UNSUPPORTED', 'no calls here'));

test('a missing feature that is refused is unsupported, with the declared reason', async () => {
  const subject = stubCase({
    needs: ['calls'],
    refused: ({ check }) => voided(check.rejects(refusing, 'UNSUPPORTED', 'call')),
  });
  const result = await runCase(stubHarness({ lacks: 'calls' }), subject, { seed: 1 });
  expect(result).toMatchObject({ status: 'unsupported', reason: 'calls: The stub has none.', assertions: 1 });
});

test('a missing feature that is not refused fails', async () => {
  const subject = stubCase({
    needs: ['calls'],
    refused: ({ check }) => voided(check.rejects(async () => 'done', 'UNSUPPORTED', 'call')),
  });
  const result = await runCase(stubHarness({ lacks: 'calls' }), subject, { seed: 1 });
  expect(result).toMatchObject({ status: 'failed', reason: 'call: expected UNSUPPORTED, but it succeeded' });
});

test('a refusal that asserts nothing fails', async () => {
  const subject = stubCase({ needs: ['calls'], refused: async () => undefined });
  const result = await runCase(stubHarness({ lacks: 'calls' }), subject, { seed: 1 });
  expect(result).toMatchObject({ status: 'failed', reason: 'the case made no assertion' });
});

test('a case that passes although its feature is declared missing fails', async () => {
  const result = await runCase(stubHarness({ lacks: 'calls' }), stubCase({ needs: ['calls'] }), { seed: 1 });
  expect(result.status).toBe('failed');
  expect(result.reason).toContain('declared unsupported but works');
});

test('a case that fails because its feature is declared missing is unsupported', async () => {
  const subject = stubCase({ needs: ['orderingKeys'], run: async ({ check }) => check.fail('out of order') });
  const result = await runCase(stubHarness({ lacks: 'orderingKeys' }), subject, { seed: 1 });
  expect(result).toMatchObject({ status: 'unsupported', reason: 'orderingKeys: The stub has none.' });
});

test('a case with its feature present runs', async () => {
  const subject = stubCase({ needs: ['calls', 'cancel'] });
  expect(await runCase(stubHarness(), subject, { seed: 1 })).toMatchObject({ status: 'passed' });
});

test('a missing harness feature means not tested, with the reason of the harness', async () => {
  const stub = stubHarness({ missing: { server: 'No server can be started here.' } });
  const result = await runCase(stub, stubCase({ harnessFeatures: ['server'] }), { seed: 1 });
  expect(result).toMatchObject({ status: 'not-tested', reason: 'No server can be started here.' });
});

test('a harness feature excluded by the capabilities means not applicable', async () => {
  const stub = stubHarness({ missing: { reopen: 'It forgets.', processes: 'It is one.' } });
  const [one, other] = await Promise.all(
    (['reopen', 'processes'] as const).map((feature) => runCase(stub, stubCase({ harnessFeatures: [feature] }))),
  );
  expect(one).toMatchObject({ status: 'not-applicable', reason: 'Its declared durability is `none`.' });
  expect(other).toMatchObject({ status: 'not-applicable' });
});

test('`notApplicable` is checked first', async () => {
  const stub = stubHarness({ missing: { processes: 'It is one process.' } });
  const subject = stubCase({
    harnessFeatures: ['processes'],
    notApplicable: ({ reach }) => `It reaches one ${reach}.`,
  });
  const result = await runCase(stub, subject, { seed: 1 });
  expect(result).toMatchObject({ status: 'not-applicable', reason: 'It reaches one process.' });
});

async function voided(work: Promise<unknown>): Promise<void> {
  await work;
}
