/** `busbar health`: whether the bus answers, and how long that takes. */

import { BusbarError } from '@busbar/api/transport';
import { maskBusUrl } from '../../bus-url.ts';
import { isMissing } from '../../schemes.ts';
import { type Command, defineCommand } from '../command.ts';
import { formatDuration } from '../input/durations.ts';
import { DONE } from '../output/exit-codes.ts';

export const health: Command = defineCommand({
  args: [],
  flags: {},
  examples: [
    ['busbar health', 'one round trip to the store'],
    ['busbar health --timeout 2s && deploy', 'as a condition in a script'],
  ],
  notes: [
    'It prints the state of the bus and the time of the round trip. Exit 69: the store does not answer. Exit 4: it does not answer within --timeout (default 5s). Exit 3: there is no bus yet.',
    'busbar check also looks at the queues. busbar doctor finds what is wrong.',
  ],
  run: async ({ session }) => {
    const { out } = session;
    const { url } = session.locate();
    if (await isMissing(url)) {
      const hint = 'busbar register and busbar send make it. busbar where lists buses nearby.';
      throw new BusbarError('NOT_FOUND', `there is no bus yet: ${maskBusUrl(url)}`, { hint });
    }
    const { ok, state, roundTripMs, error } = await (await session.bus()).health(session.call);
    if (error !== undefined) throw error;
    if (out.json) await out.jsonLines([{ ok, state, ms: Math.round(roundTripMs * 100) / 100 }]);
    else await out.lines([`${state} ${formatDuration(roundTripMs)}`]);
    return DONE;
  },
});
