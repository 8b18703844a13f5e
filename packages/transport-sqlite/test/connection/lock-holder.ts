// A program that takes and releases the write lock of a store on request, or reads in a transaction that does not end.
import { onParentMessage, sendToParent } from '@busbar/testbed';
import Database from 'better-sqlite3';

const db = new Database(process.argv[2], { timeout: 5000 });
const WORK = { lock: 'BEGIN IMMEDIATE', unlock: 'ROLLBACK', read: 'BEGIN; SELECT * FROM store' };
onParentMessage<keyof typeof WORK>((message) => {
  db.exec(WORK[message]);
  void sendToParent(message);
});
await sendToParent('ready');
