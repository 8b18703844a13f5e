// No file imports itself through others. Type imports count: they too bind the reader of one file to all files of a circle.
import { describe, expect, test } from 'vitest';
import { importsIn, targetOf } from './imports.ts';
import { manifests } from './manifests.ts';

const packages = manifests().filter(({ folder }) => folder !== '.');

describe.each(packages.map(({ folder }) => folder))('%s', (folder) => {
  test('has no circle of imports', () => {
    expect(circlesOf(graphOf(`${folder}/`))).toEqual([]);
  });
});

test('circles are found', () => {
  const edges: [string, string[]][] = [
    ['a', ['b', 'd']],
    ['b', ['c']],
    ['c', ['a']],
    ['d', ['d', 'e']],
    ['e', []],
  ];
  expect(circlesOf(new Map(edges))).toEqual([['d'], ['a', 'b', 'c']]);
});

/** The files of a folder, each with the files that it imports. */
function graphOf(folder: string): Map<string, string[]> {
  const graph = new Map<string, string[]>();
  for (const each of importsIn(folder)) {
    const targets = graph.get(each.file) ?? [];
    if (each.specifier.startsWith('.')) targets.push(targetOf(each));
    graph.set(each.file, targets);
  }
  return graph;
}

/** The strongly connected components with more than one node, or with an edge to itself (Tarjan). */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const visit = (node: string): void => {
    order.set(node, order.size);
    lowest.set(node, order.size - 1);
    stack.push(node);
    const targets = graph.get(node) ?? [];
    for (const target of targets) {
      if (!order.has(target)) visit(target);
      else if (!stack.includes(target)) continue;
      lowest.set(node, Math.min(lowest.get(node)!, lowest.get(target)!));
    }
    if (lowest.get(node) !== order.get(node)) return;
    const component = stack.splice(stack.indexOf(node));
    if (component.length > 1 || targets.includes(node)) circles.push(component);
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return circles;
}
