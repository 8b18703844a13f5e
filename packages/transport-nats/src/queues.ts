/** Queues: every call is an operation in the log. */

import type { QueueDriver } from '@busbar/api/driver';
import { askInPieces, inPieces } from './pieces.ts';
import { messageSize, settlementSize } from './record.ts';
import type { Replica } from './replica.ts';
import type { WaitingRoom } from './waiting-room.ts';

export function openQueues(replica: Replica, room: WaitingRoom): QueueDriver & Required<Pick<QueueDriver, 'receive'>> {
  return {
    send: (queue, all, create, context) =>
      askInPieces(inPieces(all, messageSize), (messages) =>
        replica.ask({ op: 'send', queue, create, messages }, context),
      ),
    receive: (queue, wanted, context) => room.receive(queue, wanted, context),
    settle: (all, context) =>
      askInPieces(inPieces(all, settlementSize), (settlements) => replica.ask({ op: 'settle', settlements }, context)),
    configure: (queue, settings, context) => replica.ask({ op: 'configure', queue, settings }, context),
  };
}
