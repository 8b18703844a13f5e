/** Sends files for review and waits for the report. */

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Change, COORDINATOR, type Report, type SourceFile } from './messages.ts';
import type { Setting } from './setting.ts';

export async function author({ bus, files }: Setting): Promise<void> {
  if (files.length === 0) return;
  const agent = await bus.agent('@author');
  const reported = Promise.withResolvers<void>();
  agent.handle<Report>('report', ({ body }) => {
    console.log(`report: ${JSON.stringify(body)}`);
    reported.resolve();
  });
  const read = async (path: string): Promise<SourceFile> => ({
    name: basename(path),
    text: await readFile(path, 'utf8'),
  });
  const change: Change = { files: await Promise.all(files.map(read)) };
  // The mailbox keeps the change, also while no coordinator runs.
  await agent.send(COORDINATOR, 'change', change, { createInbox: true });
  await reported.promise;
}
