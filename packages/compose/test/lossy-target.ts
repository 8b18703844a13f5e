// A target whose imports go wrong, as with a fault of its backend.
import type { StateRecord, Transport } from '@busbar/api/transport';

/** What happens to the records of an import. */
export type Fault = 'drops' | 'alters' | 'reorders';

const ALTERED = Buffer.from('altered').toString('base64');

/** The transport with a fault in each import that has a message. */
export function lossyTarget(transport: Transport, fault: Fault): Transport {
  const { admin } = transport;
  const importState: typeof admin.importState = async (records, options) => {
    const all: StateRecord[] = [];
    for await (const record of records) all.push(record);
    return admin.importState(faulty(all, fault), options);
  };
  return new Proxy(transport, {
    get: (target, key) => (key === 'admin' ? { ...admin, importState } : Reflect.get(target, key, target)),
  });
}

function faulty(records: readonly StateRecord[], fault: Fault): StateRecord[] {
  const messages = records.filter((record) => record.kind === 'message');
  const [first] = messages;
  switch (fault) {
    case 'drops':
      return records.filter((record) => record !== first);
    case 'alters':
      return records.map((record) =>
        record.kind === 'message' && record === first
          ? { ...record, message: { ...record.message, bodyBase64: ALTERED } }
          : record,
      );
    case 'reorders':
      return [...records.filter((record) => record.kind !== 'message'), ...messages.reverse()];
  }
}
