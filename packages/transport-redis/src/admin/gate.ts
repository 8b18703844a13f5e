/** Reads and changes the gate of the namespace. */

import { type AdminDriver, changeGate, checkGateRevision, type StoredGate, toGate } from '@busbar/api/driver';
import type { GateState } from '@busbar/api/transport';
import type { ReconnectingClient } from '../connection/client.ts';
import { chunksOf } from '../lua/arguments.ts';
import { END_LEASES, READ_GATE, SET_GATE, WAKE_ALL } from '../lua/gate.ts';
import { listQueueNames } from './inspect.ts';

/** Queues of one script. */
const QUEUES = 100;
const PAGE = 1000;

type Reply = readonly [state: Buffer, revision: Buffer, movedTo: Buffer, leftUs: Buffer];

/** The methods of the gate. */
export function openGate(client: ReconnectingClient): Required<Pick<AdminDriver, 'gate' | 'setGate'>> {
  const read = async (deadline: number): Promise<StoredGate> =>
    toStored((await client.run(READ_GATE, [], { deadline, repeat: true })) as Reply);
  return {
    gate: async ({ deadline }) => toGate(await read(deadline), performance.now()),
    setGate: async (change, { deadline }) => {
      const now = performance.now();
      const { state, revision, movedTo, until } = changeGate(await read(deadline), change, now);
      const leftUs = until === Number.POSITIVE_INFINITY ? '' : Math.ceil((until - now) * 1000);
      const args = [change.ifRevision, state, movedTo ?? '', leftUs];
      const [isSet, ...reply] = (await client.run(SET_GATE, args, { deadline, repeat: false })) as [number, ...Reply];
      const gate = toStored(reply);
      // Another mover was faster.
      if (isSet === 0) checkGateRevision(gate, change.ifRevision);
      if (revision !== change.ifRevision) {
        if (state === 'closed') await endLeases(client, deadline);
        await client.run(WAKE_ALL, [], { deadline, repeat: true });
      }
      return toGate(gate, performance.now());
    },
  };
}

async function endLeases(client: ReconnectingClient, deadline: number): Promise<void> {
  for (let after: string | undefined, isMore = true; isMore; ) {
    const names: readonly string[] = await listQueueNames(client, '', { limit: PAGE, after }, deadline);
    for (const some of chunksOf(names, QUEUES)) {
      while ((await client.run(END_LEASES, some, { deadline, repeat: true })) === 1) {}
    }
    after = names.at(-1);
    isMore = names.length === PAGE;
  }
}

function toStored([state, revision, movedTo, leftUs]: Reply): StoredGate {
  const left = String(leftUs);
  return {
    state: String(state) as GateState,
    revision: Number(String(revision)),
    movedTo: String(movedTo) || undefined,
    until: left === '' ? Number.POSITIVE_INFINITY : performance.now() + Number(left) / 1000,
  };
}
