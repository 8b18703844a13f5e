// A program that waits for messages until it is killed.
import { openSqlite } from '../../src/index.ts';

const transport = await openSqlite({ file: process.argv[2] ?? '' });
await transport.queues.receive('work', { waitMs: Number.POSITIVE_INFINITY });
