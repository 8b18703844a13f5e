// The moments of heartbeats.
import { describe, expect, it } from 'vitest';
import { untilMoment } from '../../src/bus/registry/heartbeats.ts';

const NOW = 1_790_000_000_000;

describe('the next heartbeat', () => {
  it('falls on moments that all processes share, within an interval', () => {
    for (let early = 0; early < 400; early += 7) {
      const ms = untilMoment(4_000, NOW + early);
      expect((NOW + early + ms) % 200).toBe(0);
      expect(ms).toBeGreaterThan(3_800);
      expect(ms).toBeLessThanOrEqual(4_020);
    }
  });

  it('comes a whole interval later where a timer fired a little early or late', () => {
    expect([-1, 0, 1].map((late) => late + untilMoment(4_000, NOW + late))).toEqual([4_000, 4_000, 4_000]);
  });

  it('keeps intervals that are no whole milliseconds', () => {
    for (const intervalMs of [60, 66.8, 0.4]) {
      const ms = untilMoment(intervalMs, NOW);
      expect(ms).toBeGreaterThan(intervalMs * 0.94);
      expect(ms).toBeLessThanOrEqual(intervalMs * 1.005 + 1);
    }
  });
});
