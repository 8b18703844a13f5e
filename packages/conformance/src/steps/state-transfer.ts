/** Steps that export, clear and import the whole state of a store. */

import type { StateRecord, Transport } from '@busbar/api/transport';
import type { TestContext } from '../context/test-context.ts';
import { collect } from '../inputs/operations.ts';

/** Exports all records and passes each through JSON, as a file would. */
export async function exportAll(transport: Transport): Promise<StateRecord[]> {
  const records = await collect(transport.admin.exportState());
  return records.map((record) => JSON.parse(JSON.stringify(record)) as StateRecord);
}

/** Exports all records but the highest revision: namespaces may share it, and a clear raises it. */
export async function exportContent(transport: Transport): Promise<StateRecord[]> {
  return (await exportAll(transport)).filter(({ kind }) => kind !== 'revision');
}

/** Exports everything, clears the store, and imports it again. Returns the records. */
export async function moveState(test: TestContext, transport: Transport): Promise<StateRecord[]> {
  const records = await exportAll(transport);
  await transport.admin.clear();
  test.check.equal(await transport.admin.queues(), [], 'queues of the cleared store');
  const added = await transport.admin.importState(records);
  test.check.between(added, 1, records.length, 'new records');
  return records;
}

/** Removes what the store knows of ids, as the end of the dedupe window does. */
export async function forgetIds({ admin }: Transport): Promise<void> {
  const records = (await collect(admin.exportState())).filter(({ kind }) => kind !== 'dedupe');
  await admin.clear();
  await admin.importState(records);
}

/** Asserts that export and import are refused. */
export async function assertMoveRefused(test: TestContext): Promise<void> {
  const { admin } = await test.transport();
  await test.check.rejects(collect(admin.exportState()), 'UNSUPPORTED', 'an export');
  await test.check.rejects(admin.importState([]), 'UNSUPPORTED', 'an import');
}
