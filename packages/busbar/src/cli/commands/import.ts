/** `busbar import`: adds what `busbar export` has written to a bus. */

import { BusbarError, isBusbarError, type StateRecord } from '@busbar/api/transport';
import { BackupReader } from '../backup/backup-file.ts';
import { type Command, defineCommand } from '../command.ts';
import { DONE } from '../output/exit-codes.ts';
import { count } from '../output/table.ts';

export const importBus: Command = defineCommand({
  args: ['FILE?'],
  flags: {},
  examples: [
    ['busbar import backup.jsonl', 'adds the records of a backup'],
    ['busbar import backup.jsonl --url sqlite:./new.db', 'to a new bus'],
    ['gunzip -c backup.jsonl.gz | busbar import', 'through a pipe'],
  ],
  notes: [
    'What the bus has already stays as it is, so a repeated import adds nothing twice.',
    'Without FILE, or with -, it reads stdin.',
  ],
  run: async ({ args: [file], session }) => {
    const { out, signal } = session;
    const reader = new BackupReader(file === '-' ? undefined : file, signal);
    const toExplained = (error: unknown): never => {
      throw explained(error, reader.line, file);
    };
    const records = reader.records();
    // A file that cannot be read makes no bus.
    const first = await records.next().catch(toExplained);
    session.createsBus();
    const { admin } = await session.transport();
    const added = await admin.importState(resume(first, records), { signal }).catch(toExplained);
    const result = { records: reader.count, added };
    if (out.json) await out.jsonLines([result]);
    else await out.lines([`${count(reader.count, 'record')} read, ${added} added`]);
    return DONE;
  },
});

/** The records from the first one on, which was read before. */
async function* resume(
  first: IteratorResult<StateRecord, void>,
  rest: AsyncIterable<StateRecord>,
): AsyncGenerator<StateRecord> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}

/** The line where the import ended; a file that cannot be read. */
function explained(error: unknown, line: number, file: string | undefined): unknown {
  const cause = (error as Error).cause ?? error;
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'EISDIR' || code === 'EACCES') {
    return new BusbarError(code === 'EACCES' ? 'PERMISSION_DENIED' : 'NOT_FOUND', `cannot read ${file} (${code})`, {
      hint: 'Check the path and its rights.',
    });
  }
  if (!isBusbarError(error) || line === 0) return error;
  const { hint, outcome } = error;
  return new BusbarError(error.code, `line ${line}: ${error.message}`, {
    outcome,
    cause: error,
    ...(hint && { hint }),
  });
}
