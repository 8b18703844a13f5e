/** Time of the functions that every message passes. */

import { jsonCodec, matchTopic } from '@busbar/api';
import { prepareMessages } from '@busbar/api/driver';
import { newId } from '@busbar/api/transport';
import { openMemory } from '@busbar/transport-memory';
import { Bench } from 'tinybench';
import { cost } from '../figures.ts';
import type { Scenario } from './scenario.ts';

export const micro: Scenario = {
  title: 'Functions on the path of a message: median time (tinybench)',
  alone: true,
  mostRuns: 1,
  seconds: () => 4,
  async run() {
    await using transport = await openMemory();
    const value = { index: 1, text: 'x'.repeat(230) };
    const body = jsonCodec.encode(value);
    const input = [{ body, contentType: 'application/json', type: 'task' }];
    const bench = new Bench({ time: 300, warmupTime: 100 })
      .add('newId', () => void newId())
      .add('matchTopic', () => void matchTopic('a.*.c.>', 'a.b.c.d.e'))
      .add('codec encode', () => void jsonCodec.encode(value))
      .add('codec decode', () => void jsonCodec.decode(body))
      .add('prepareMessages', () => void prepareMessages(input, undefined, transport.capabilities))
      .add('memory send+receive+ack', async () => {
        await transport.queues.send('q', [{ body }]);
        const [delivery] = await transport.queues.receive('q');
        if (delivery) await transport.queues.settle([{ receipt: delivery.receipt, action: 'ack' }]);
      });
    await bench.run();
    return bench.tasks.map(({ name, result }) =>
      cost(name, 'µs', 'latency' in result ? result.latency.p50 * 1000 : Number.NaN),
    );
  },
};
