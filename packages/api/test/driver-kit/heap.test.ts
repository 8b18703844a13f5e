/** Compares the heap with sorting. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { propertySeed } from '../../../../test/property-seed.ts';
import { Heap, type HeapItem } from '../../src/driver-kit/heap.ts';

interface Numbered extends HeapItem {
  readonly value: number;
}

test('the least item is first, whatever is removed from the middle', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.boolean())), (steps) => {
      const heap = new Heap<Numbered>((a, b) => a.value < b.value);
      const items = steps.map(([value]) => ({ value, slot: -1 }));
      for (const item of items) heap.add(item);
      const kept = items.filter((item, index) => {
        if (steps[index]?.[1] === true) heap.remove(item);
        return item.slot >= 0;
      });
      const got: number[] = [];
      for (let first = heap.first; first !== undefined; first = heap.first) {
        got.push(first.value);
        heap.remove(first);
      }
      expect(got).toEqual(kept.map(({ value }) => value).sort((a, b) => a - b));
      expect(heap.size).toBe(0);
    }),
    propertySeed,
  );
});
