/** Bare better-sqlite3: a queue that promises only the order. It shows the cost of Busbar's promises. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import type { Body, Client, TargetLocation } from '../client.ts';
import { pull } from './pull-loop.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS job (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL DEFAULT 0, id TEXT NOT NULL, body TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS ready ON job (seq) WHERE state = 0;`;

export async function open({ folder, durability }: TargetLocation): Promise<Client> {
  const database = new Database(`${folder}/raw.db`, { timeout: 30_000 });
  database.pragma('journal_mode = WAL');
  database.pragma(`synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  database.exec(SCHEMA);
  const insert = database.prepare('INSERT INTO job (id, body) VALUES (?, ?)');
  const claim = database.prepare(
    'UPDATE job SET state = 1 WHERE seq IN (SELECT seq FROM job WHERE state = 0 ORDER BY seq LIMIT ?) RETURNING seq, body',
  );
  const remove = database.prepare('DELETE FROM job WHERE seq = ?');
  const insertAll = database.transaction((bodies: readonly Body[]) => {
    for (const body of bodies) insert.run(crypto.randomUUID(), JSON.stringify(body));
  });
  const claimSome = database.transaction((most: number) => claim.all(most) as { seq: number; body: string }[]);
  const removeAll = database.transaction((jobs: readonly { seq: number }[]) => {
    for (const { seq } of jobs) remove.run(seq);
  });
  return {
    async send(bodies) {
      insertAll.immediate(bodies);
      await nextTurn();
    },
    async work(inFlight, handle) {
      return pull(inFlight, {
        async receive() {
          const jobs = claimSome.immediate(inFlight);
          for (const { body } of jobs) handle(JSON.parse(body));
          return jobs;
        },
        async settle(jobs) {
          removeAll.immediate(jobs);
          await nextTurn();
        },
      });
    },
    close: async () => void database.close(),
  };
}
