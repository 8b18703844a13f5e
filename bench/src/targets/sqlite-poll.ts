/** What people have: a table of messages, and a loop that asks for the next one and sleeps when there is none. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import type { Client, TargetLocation } from '../client.ts';
import { poll } from './poll-loop.ts';

const SCHEMA = 'CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)';

export async function open({ folder, durability }: TargetLocation): Promise<Client> {
  const database = new Database(`${folder}/poll.db`, { timeout: 30_000 });
  database.pragma('journal_mode = WAL');
  database.pragma(`synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  database.exec(SCHEMA);
  const insert = database.prepare('INSERT INTO message (body) VALUES (?)');
  const take = database
    .prepare('DELETE FROM message WHERE id = (SELECT id FROM message ORDER BY id LIMIT 1) RETURNING body')
    .pluck();
  return {
    async send(bodies) {
      for (const body of bodies) insert.run(JSON.stringify(body));
      await nextTurn();
    },
    work: async (_inFlight, handle) =>
      poll(async () => {
        const body = take.get() as string | undefined;
        if (body !== undefined) handle(JSON.parse(body));
        return body !== undefined;
      }),
    close: async () => void database.close(),
  };
}
