/** Writes every event to a file, each once. Events wait in its durable subscription while it does not run. */

import { existsSync, readFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import type { Setting } from './setting.ts';

export async function audit({ bus, folder }: Setting): Promise<void> {
  const file = `${folder}/audit.jsonl`;
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  const written = new Set(lines.map((line) => (JSON.parse(line) as { id: string }).id));
  const write = async (id: string, event: object): Promise<void> => {
    if (written.has(id)) return; // It was delivered before: delivery is at least once.
    await appendFile(file, `${JSON.stringify({ id, ...event })}\n`);
    written.add(id);
  };
  await bus.subscribe('review.>', ({ id, topic, sentAt, body }) => write(id, { topic, sentAt, body }), {
    durableName: 'audit',
    from: 'start',
  });
}
