// Packets and their flow control.

import { encodeFrames, FRAME, type Frame, frame } from '@busbar/wire';
import { describe, expect, test } from 'vitest';
import { ReceiveWindow, SendWindow } from '../../src/links/zmq/packet-window.ts';
import { readPacket, toPackets } from '../../src/wire/packet.ts';
import { randomFrom } from '../support/fuzz.ts';

const MEGABYTE = 1_048_576;

function someFrames(random: () => number): Frame[] {
  return Array.from({ length: 1 + Math.floor(random() * 200) }, (_, id) => {
    const size = random() < 0.05 ? random() * 3 * MEGABYTE : random() * 20_000;
    return frame(FRAME.request, id, { id }, [Buffer.alloc(Math.floor(size), id)]);
  });
}

describe('packets', () => {
  test('contain all frames whole and in order, and at most one megabyte or one frame', () => {
    const random = randomFrom(1);
    for (let round = 0; round < 20; round += 1) {
      const frames = someFrames(random);
      const packets = [...toPackets(frames)];
      expect(Buffer.concat(packets).equals(encodeFrames(frames))).toBe(true);
      expect(packets.flatMap((packet) => readPacket(packet)).map(({ id }) => id)).toEqual(frames.map(({ id }) => id));
      for (const packet of packets) expect(packet.length <= MEGABYTE || readPacket(packet).length === 1).toBe(true);
      for (const [index, packet] of packets.slice(1).entries()) {
        const first = encodeFrames(readPacket(packet).slice(0, 1)).length;
        expect((packets[index]?.length ?? 0) + first).toBeGreaterThan(MEGABYTE);
      }
    }
  });

  test('end with a whole frame', () => {
    const whole = encodeFrames([frame(FRAME.ping), frame(FRAME.ping)]);
    for (let cut = 1; cut < whole.length; cut += 1) {
      if (cut === whole.length / 2) continue;
      expect(() => readPacket(whole.subarray(0, cut))).toThrow(/within a frame/);
    }
  });
});

describe('credit', () => {
  test('never runs out while the receiver reads, and limits the bytes in flight', () => {
    const random = randomFrom(2);
    const [sender, receiver] = [new SendWindow(), new ReceiveWindow()];
    const wire: Buffer[] = [];
    let [sent, taken, onTheWay] = [0, 0, 0];
    const leave = (): void => {
      for (const packet of sender.takeSendable()) {
        wire.push(packet);
        onTheWay += packet.length;
        expect(onTheWay < 524_288 + packet.length || wire.length === 1).toBe(true);
      }
    };
    while (taken < 5_000) {
      if (sent < 5_000 && random() < 0.6) {
        sender.add(Buffer.alloc(Math.floor(random() < 0.02 ? random() * 2 * MEGABYTE : random() * 3_000)));
        sent += 1;
      }
      leave();
      const packet = random() < 0.55 || sent === 5_000 ? wire.shift() : undefined;
      if (packet !== undefined) {
        taken += 1;
        onTheWay -= packet.length;
        expect(receiver.add(packet.length)).toBe(true);
        const told = receiver.takeAcknowledgement();
        if (told > 0) expect(sender.acknowledge(told)).toBe(true);
      } else if (sent === 5_000 && wire.length === 0) expect(sender.isEmpty).toBe(true);
    }
    expect([sent, taken]).toEqual([5_000, 5_000]);
  });

  test('that was never granted is refused, on both sides', () => {
    const sender = new SendWindow();
    for (const count of [1, -1, 0.5, '1', null, undefined, Number.NaN]) expect(sender.acknowledge(count)).toBe(false);
    const receiver = new ReceiveWindow();
    for (let packets = 0; packets < 64; packets += 1) expect(receiver.add(10)).toBe(true);
    expect(receiver.add(10)).toBe(false);
    const large = new ReceiveWindow();
    expect([large.add(600_000), large.add(1)]).toEqual([true, false]);
  });
});
