/** A work queue on a backend: directly, behind an audit, as a part of a hybrid, and while a mover copies its history. */

import { cost, rate, timed } from '../figures.ts';
import type { Scenario } from './scenario.ts';

/** The history that is copied. */
const EVENTS = 20_000;

export const compositions: Scenario = {
  title:
    'Work queue of one backend: direct, behind an audit, in a hybrid, and while a move copies 20,000 events again and again; CPU of all processes per task',
  once: true,
  seconds: ({ messages }) => 3 + messages / 2_000,
  async run(sandbox, { messages, inFlight: numbers, bodyBytes }) {
    const producer = await sandbox.actor();
    const consumer = await sandbox.actor();
    const inFlight = Math.max(...numbers);
    const produce = (count: number) => producer.call('produce', { count, inFlight, bodyBytes });
    const consume = (count: number) => consumer.call('consume', count, inFlight);
    await produce(messages);
    await consume(messages);
    if (await consumer.call('canCopy')) await (await sandbox.actor()).call('copy', EVENTS, bodyBytes);
    const before = await sandbox.cpuMs();
    const enqueueMs = await timed(() => produce(messages));
    const consumeMs = await timed(() => consume(messages));
    let p99Ms = Number.NaN;
    const bothMs = await timed(async () => {
      const [sent] = await Promise.all([produce(messages), consume(messages)]);
      p99Ms = sent.p99Ms;
    });
    const cpuMs = (await sandbox.cpuMs()) - before;
    return [
      rate('enqueue', messages, enqueueMs),
      rate('consume+ack', messages, consumeMs),
      rate('both at once', messages, bothMs),
      cost('p99 of a send', 'ms', p99Ms),
      cost('CPU', 'µs', (cpuMs / messages / 2) * 1000),
    ];
  },
};
