import { type CaseResult, runSuite, toMarkdown, toReport, withMatrix } from '@busbar/conformance';
import { expect, test } from 'vitest';
import { stubCase, stubHarness } from './stub-harness.ts';

const two = [stubCase({ id: 'P1', smoke: true }), stubCase({ id: 'Q1', group: 'Priority' })];

test('all cases run, in the order of the catalogue, and each result is reported', async () => {
  const told: CaseResult[] = [];
  const run = await runSuite(stubHarness(), {
    cases: [...two].reverse(),
    seed: 3,
    onResult: (result) => told.push(result),
  });
  expect(run).toMatchObject({ transport: 'stub', profile: 'full', seed: 3 });
  expect(run.results.map(({ id, status }) => [id, status])).toEqual([
    ['P1', 'passed'],
    ['Q1', 'passed'],
  ]);
  expect(told).toHaveLength(2);
});

test('at most the given number of cases run at a time, and every store is removed', async () => {
  const stub = stubHarness();
  let now = 0;
  let most = 0;
  const run = async ({ check }: { check: { ok(value: unknown, what: string): void } }): Promise<void> => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setTimeout(resolve, 5));
    now -= 1;
    check.ok(true, 'holds');
  };
  const cases = Array.from({ length: 9 }, (_, index) => stubCase({ id: `P${index + 1}`, run }));
  await runSuite(stub, { cases, parallel: 3 });
  expect(most).toBe(3);
  expect(stub.removed).toBe(stub.opened);
  expect(stub.closed).toBe(stub.opened);
});

test('ids, groups and the short profile select', async () => {
  const idsOf = async (options: Parameters<typeof runSuite>[1]): Promise<string[]> =>
    (await runSuite(stubHarness(), { cases: two, ...options })).results.map(({ id }) => id);
  expect(await idsOf({ only: ['Q1'] })).toEqual(['Q1']);
  expect(await idsOf({ group: 'Priority' })).toEqual(['Q1']);
  expect(await idsOf({ profile: 'smoke' })).toEqual(['P1']);
  expect(await idsOf({ profile: 'smoke', only: ['Q1'] })).toEqual(['Q1']);
});

test('the report has the counts and one line per case', async () => {
  const failing = stubCase({ id: 'P2', run: async ({ check }) => check.fail('on purpose') });
  const report = toReport(await runSuite(stubHarness(), { cases: [...two, failing] }));
  expect(report).toMatchObject({ transport: 'stub', passed: 2, failed: 1, unsupported: 0 });
  expect(report.cases).toContainEqual({ id: 'P2', status: 'failed', reason: 'on purpose' });
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
});

test('the matrix stands between its markers, with a column for each run', async () => {
  const run = await runSuite(stubHarness(), { cases: two });
  const text = withMatrix('before\n<!-- matrix:begin -->\nstale rows\n<!-- matrix:end -->\nafter\n', [run, run]);
  expect(text).toMatch(/^before\n<!-- matrix:begin -->\n### /);
  expect(text).toMatch(/<!-- matrix:end -->\nafter\n$/);
  expect(text).not.toContain('stale rows');
  expect(text).toContain('| P1 | ');
  expect(toMarkdown([run])).toContain('| Priority | 1 / 1 |');
  expect(() => withMatrix('nothing', [run])).toThrow('markers');
});
