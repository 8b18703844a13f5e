// The pause after connections that ended soon.
import { BriefConnections } from '@busbar/api/driver';
import { expect, test, vi } from 'vitest';

test('five brief connections are replaced at once, further ones after a growing pause, until one lasts', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const brief = new BriefConnections();
    const next = (lastsMs: number): number => {
      brief.opened();
      vi.advanceTimersByTime(lastsMs);
      return brief.ended();
    };
    expect(Array.from({ length: 12 }, () => next(10))).toEqual([0, 0, 0, 0, 0, 25, 50, 100, 200, 400, 800, 1_000]);
    expect([next(1_000), next(10)]).toEqual([0, 0]);
  } finally {
    vi.useRealTimers();
  }
});
