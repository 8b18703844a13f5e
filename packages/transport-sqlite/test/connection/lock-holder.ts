// A program that takes and releases the write lock of a store on request.
import { onParentMessage, sendToParent } from '@busbar/testbed';
import Database from 'better-sqlite3';

const db = new Database(process.argv[2], { timeout: 5000 });
onParentMessage<'lock' | 'unlock'>((message) => {
  db.exec(message === 'lock' ? 'BEGIN IMMEDIATE' : 'ROLLBACK');
  void sendToParent(message);
});
await sendToParent('ready');
