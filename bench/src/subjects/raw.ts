/** Bare better-sqlite3: what a queue costs that promises nothing but the order. The measure of the waist. */

import Database from 'better-sqlite3';
import { type Client, makeBody, type Place } from '../client.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS job (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL DEFAULT 0, id TEXT NOT NULL, body TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS ready ON job (seq) WHERE state = 0;`;

export async function open({ folder, durability }: Place): Promise<Client> {
  const database = new Database(`${folder}/raw.db`, { timeout: 30_000 });
  database.pragma('journal_mode = WAL');
  database.pragma(`synchronous = ${durability === 'power' ? 'FULL' : 'NORMAL'}`);
  database.exec(SCHEMA);
  const insert = database.prepare('INSERT INTO job (id, body) VALUES (?, ?)');
  const claim = database.prepare(
    'UPDATE job SET state = 1 WHERE seq IN (SELECT seq FROM job WHERE state = 0 ORDER BY seq LIMIT ?) RETURNING seq, body',
  );
  const remove = database.prepare('DELETE FROM job WHERE seq = ?');
  const insertAll = database.transaction((bodies: readonly string[]) => {
    for (const body of bodies) insert.run(crypto.randomUUID(), body);
  });
  const claimSome = database.transaction((most: number) => claim.all(most) as { seq: number; body: string }[]);
  const removeAll = database.transaction((jobs: readonly { seq: number }[]) => {
    for (const { seq } of jobs) remove.run(seq);
  });
  return {
    async produce(count, inFlight, bodyBytes) {
      let slowestMs = 0;
      for (let next = 0; next < count; next += inFlight) {
        const size = Math.min(inFlight, count - next);
        const began = performance.now();
        insertAll.immediate(
          Array.from({ length: size }, (_, index) => JSON.stringify(makeBody(next + index, bodyBytes))),
        );
        slowestMs = Math.max(slowestMs, performance.now() - began);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return { slowestMs };
    },
    async consume(count, inFlight) {
      for (let done = 0; done < count; ) {
        const jobs = claimSome.immediate(inFlight);
        for (const { body } of jobs) JSON.parse(body);
        removeAll.immediate(jobs);
        done += jobs.length;
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    close: async () => void database.close(),
  };
}
