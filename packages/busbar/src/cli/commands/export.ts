/** `busbar export`: writes everything that a bus holds as JSON lines. */

import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { BusbarError, type ErrorCode, quote, type StateRecord, type Transport } from '@busbar/api/transport';
import { backupHeader } from '../backup/backup-file.ts';
import { type Command, defineCommand } from '../command.ts';
import { DONE } from '../output/exit-codes.ts';
import { count } from '../output/table.ts';
import type { Session } from '../session.ts';

/** Records per write. */
const PAGE = 500;

export const exportBus: Command = defineCommand({
  args: ['FILE?'],
  flags: { force: { kind: 'switch', help: 'replace FILE' } },
  examples: [
    ['busbar export backup.jsonl', 'writes the whole bus to a file that only you can read'],
    ['busbar export | gzip > backup.jsonl.gz', 'the same through a pipe'],
    ['busbar export | busbar import --url redis', 'copies the bus to another backend'],
  ],
  notes: [
    'It holds queues, messages, dead letters, events, bindings, keys and the memory of ids. Leased messages are exported as ready.',
    'Stop the agents for an exact copy: what changes meanwhile may be in it or not.',
    'Without FILE, or with -, it goes to stdout.',
  ],
  run: async ({ args: [file], flags, session }) => {
    const transport = await session.transport();
    if (file === undefined || file === '-') {
      await writeAll(transport, session, (values) => session.out.jsonLines(values));
      return DONE;
    }
    const records = await writeFile(file, flags.force, transport, session);
    session.out.note(`busbar: ${count(records, 'record')} in ${file}`);
    return DONE;
  },
});

/** The file appears when it is whole. */
async function writeFile(file: string, force: boolean, transport: Transport, session: Session): Promise<number> {
  const part = `${file}.part`;
  if (!force && (await exists(file))) {
    throw new BusbarError('CONFLICT', `${quote(file)} exists`, {
      hint: 'Choose another name, or replace it with --force.',
    });
  }
  const handle = await openFile(part);
  try {
    const write = (values: readonly unknown[]): Promise<unknown> =>
      handle.appendFile(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
    const records = await writeAll(transport, session, write);
    await handle.sync();
    await handle.close();
    await rename(part, file);
    return records;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(part, { force: true });
    throw error;
  }
}

async function exists(file: string): Promise<boolean> {
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => error.code !== 'ENOENT');
  if (typeof handle === 'boolean') return handle;
  await handle.close();
  return true;
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'wx', 0o600);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const [kind, hint] = WRITE_ERRORS[code] ?? ['PERMISSION_DENIED', 'Check the folder and its rights.'];
    throw new BusbarError(kind, `cannot write ${quote(file)} (${code})`, { hint });
  }
}

const WRITE_ERRORS: Readonly<Record<string, readonly [code: ErrorCode, hint: string]>> = {
  EEXIST: ['CONFLICT', 'Another export writes it. If one was killed, remove the file.'],
  ENOENT: ['NOT_FOUND', 'Create the folder first.'],
  ENOTDIR: ['NOT_FOUND', 'Create the folder first.'],
  ENOSPC: ['BACKPRESSURE', 'The disk is full.'],
};

/** Writes all lines. Returns the number of records. */
async function writeAll(
  transport: Transport,
  { signal }: Session,
  write: (values: readonly unknown[]) => Promise<unknown>,
): Promise<number> {
  let page: (StateRecord | object)[] = [backupHeader(transport.name)];
  let records = 0;
  for await (const record of transport.admin.exportState({ signal })) {
    records += 1;
    page.push(record);
    if (page.length < PAGE) continue;
    await write(page);
    page = [];
  }
  await write([...page, { kind: 'end', records }]);
  return records;
}
