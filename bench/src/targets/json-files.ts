/** What people have: a folder of JSON files, one for each message, which its only reader lists again and again. */

import { mkdir, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, sharedClockMs, type TargetLocation } from '../client.ts';
import { poll } from './poll-loop.ts';

export async function open({ folder }: TargetLocation): Promise<Client> {
  const [inbox, outbox] = [join(folder, 'inbox'), join(folder, 'outbox')];
  await Promise.all([inbox, outbox].map((path) => mkdir(path, { recursive: true })));
  let sent = 0;
  return {
    async send(bodies) {
      for (const body of bodies) {
        sent += 1;
        // Names that sort by time. A rename is atomic, so a reader sees whole files only.
        const name = `${sharedClockMs().toFixed(3).padStart(20, '0')}-${process.pid}-${String(sent).padStart(9, '0')}.json`;
        await writeFile(join(outbox, name), JSON.stringify(body));
        await rename(join(outbox, name), join(inbox, name));
      }
    },
    work: async (_inFlight, handle) =>
      poll(async () => {
        const names = (await readdir(inbox)).sort();
        for (const name of names) {
          handle(JSON.parse(await readFile(join(inbox, name), 'utf8')));
          await unlink(join(inbox, name));
        }
        return names.length > 0;
      }),
    close: async () => undefined,
  };
}
