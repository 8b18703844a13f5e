// A program that calls an address with a short timeout, until its parent stops it.
import { openSqlite } from '../../src/index.ts';

const [file = '', address = ''] = process.argv.slice(2);
const transport = await openSqlite({ file });
const replies = transport.calls?.call(address, { body: new Uint8Array(0) }, { timeoutMs: 3_000 });
await replies?.[Symbol.asyncIterator]()
  .next()
  .catch(() => undefined);
