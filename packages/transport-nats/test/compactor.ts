/** Maintenance of its own, as another process has it. */

import { Connection } from '../src/connection/connection.ts';
import { Names } from '../src/connection/names.ts';
import { Puller } from '../src/connection/puller.ts';
import { ServerClock } from '../src/connection/server-clock.ts';
import { ServerRequests } from '../src/connection/server-requests.ts';
import { streamInfo } from '../src/connection/streams.ts';
import { parseNatsUrl } from '../src/index.ts';
import { KvStore } from '../src/kv/kv-store.ts';
import { Compactor } from '../src/maintenance/compactor.ts';
import { Retirer } from '../src/maintenance/retirer.ts';
import { toSettings } from '../src/options.ts';
import { Consumers } from '../src/queues/consumers.ts';
import { HeldDeliveries } from '../src/queues/held-deliveries.ts';
import { Ledgers } from '../src/queues/ledger.ts';
import { QueueRecords } from '../src/queues/queue-record.ts';

/** Maintenance of the unnamed namespace. `makeLedgers` makes the ledgers that it reads and writes. */
export async function compactorOf(
  url: string,
  makeLedgers: (requests: ServerRequests, names: Names) => Ledgers = (requests, names) => new Ledgers(requests, names),
): Promise<
  AsyncDisposable & {
    compact(queue: string): Promise<boolean>;
    retire(queue: string, idleMs: number): Promise<boolean>;
  }
> {
  const connection = await Connection.open(toSettings(parseNatsUrl(url)));
  const [names, clock] = [new Names(''), new ServerClock()];
  const requests = new ServerRequests(connection, names);
  await streamInfo(requests, clock, names.queues);
  const records = new QueueRecords(requests, names, clock);
  const gate = { isOpen: true, isClosed: false, read: async () => undefined };
  const base = { requests, names, clock, gate, records, used: new Set<string>(), expiring: new Set<string>() };
  const shared = {
    ...{ ...base, ledgers: makeLedgers(requests, names), puller: new Puller(connection, names.queues) },
    ...{ consumers: new Consumers(base, undefined), held: new HeldDeliveries() },
    kv: new KvStore(base, new Puller(connection, names.kv)),
  };
  const compactor = new Compactor(shared);
  return {
    compact: (queue) => compactor.compact(queue),
    retire: (queue, idleMs) => new Retirer(shared, idleMs).retire(queue),
    [Symbol.asyncDispose]: async () => {
      requests.close();
      await connection.close();
    },
  };
}
