/** Multi-process: several processes on one store. */

import { setTimeout as pause } from 'node:timers/promises';
import type { ConformanceCase } from '../case.ts';
import { type Crowd, crowd, judgeCrowd } from '../processes/load.ts';
import { consume, receiveOne, texts } from '../steps/consuming.ts';
import { follow } from '../steps/event-log.ts';

const group = 'Multi-process';

const SMALL: Crowd = { producers: 3, consumers: 3, each: 60, kills: 1 };
const LARGE: Crowd = { producers: 10, consumers: 8, each: 150, kills: 2 };
/**
 * Upper bound for a send while others send, plus the delay of a busy machine. A network backend shares this machine with all
 * processes, so there the bound only shows that no process starves.
 */
const SLOWEST_SEND_MS = { process: 250, host: 250, network: 3_000 };

export const cases: readonly ConformanceCase[] = [
  {
    id: 'M1',
    group,
    title: 'processes share queues, events, keys and receipts',
    level: 'MUST',
    rules: ['RQ1', 'RQ3', 'RT1', 'RE1'],
    shows: ['portableReceipts'],
    powers: ['processes'],
    smoke: true,
    async run(lab) {
      const here = await lab.transport();
      const there = await lab.process();
      const log = await follow(lab, here, 'news.*');
      await there.publish('news.today', lab.messages(2, {}, 'event'));
      await log.has(['event0', 'event1'], 'events of another process');
      await there.send('work', lab.messages(2));
      lab.check.equal(texts(lab, await consume(lab, here, 'work', 2)), ['m0', 'm1'], 'messages of another process');
      await lab.send(here, 'back', lab.messages(1));
      const [delivery] = await there.receive('back', { waitMs: 5_000 });
      lab.check.equal(delivery && lab.text(delivery), 'm0', 'a message to another process');
      const put = await there.put('key', 'theirs');
      const entry = await here.kv.get('key');
      lab.check.equal(
        entry?.revision,
        put.status === 'stored' ? put.revision : undefined,
        'an entry of another process',
      );
      if (!here.capabilities.features.portableReceipts) return;
      const settled = await here.queues.settle([{ receipt: delivery?.receipt ?? '', action: 'ack' }]);
      lab.check.equal(settled[0]?.status, 'done', "an ack of another process's delivery");
    },
  },
  {
    id: 'M2',
    group,
    title: 'while many processes send and consume and some are killed, nothing is lost or redelivered after its ack',
    level: 'MUST',
    rules: ['RD1', 'RQ1', 'RQ2'],
    powers: ['processes'],
    smoke: true,
    alone: true,
    timeoutMs: 60_000,
    async run(lab) {
      const work = await crowd(lab, 'work', lab.profile === 'full' ? LARGE : SMALL);
      await judgeCrowd(lab, 'work', work);
      const slowest = Math.max(...work.producing.map(({ slowestMs }) => slowestMs));
      const bound = Math.round(SLOWEST_SEND_MS[lab.capabilities.reach] + work.lagMs);
      lab.check.between(Math.round(slowest), 0, bound, 'milliseconds of the slowest send');
    },
  },
  {
    id: 'M3',
    group,
    title: 'an idle consumer in another process is woken by a notification, not by slow polling',
    level: 'SHOULD',
    rules: ['RQ8'],
    powers: ['processes'],
    alone: true,
    async run(lab) {
      const here = await lab.transport();
      const consumer = await lab.process();
      const load = await consumer.consume('work');
      const latencies: number[] = [];
      for (let round = 0; round < 30; round += 1) {
        await pause(5 + lab.random() * 20);
        const began = performance.timeOrigin + performance.now();
        await lab.send(here, 'work', lab.messages(1));
        const seen = await lab.until('it was seen', () => load.seen[round]);
        latencies.push(seen.at - began);
      }
      const sorted = latencies.sort((one, other) => one - other);
      lab.check.between(sorted[15] ?? 0, -5, 50, 'median milliseconds from send to delivery');
      lab.check.between(sorted[29] ?? 0, -5, 500, 'most milliseconds from send to delivery');
    },
  },
  {
    id: 'M5',
    group,
    title: 'the declared reach of the transport is correct',
    level: 'MUST',
    rules: ['RA1'],
    async run(lab) {
      const here = await lab.transport();
      if (lab.capabilities.reach === 'process') {
        await lab.send(await lab.open(), 'work', lab.messages(1));
      } else {
        lab.check.equal(lab.powers.has('processes'), true, 'another process can open it');
        await (await lab.process()).send('work', lab.messages(1));
      }
      lab.check.equal(lab.text(await receiveOne(lab, here, 'work')), 'm0', 'messages sent by another client');
    },
  },
];
