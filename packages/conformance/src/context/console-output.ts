/** Captures console output and warnings in the asynchronous context of a case. */

import { AsyncLocalStorage } from 'node:async_hooks';

/** Captured lines. */
type Lines = string[];

const scope = new AsyncLocalStorage<Lines>();
let users = 0;
let restore: () => void = () => undefined;

/** Runs `work` and returns what it wrote to console, stdout, stderr and warnings. */
export async function captureOutput(work: () => Promise<void>): Promise<readonly string[]> {
  const lines: Lines = [];
  users += 1;
  if (users === 1) restore = listen();
  try {
    await scope.run(lines, work);
    // Warnings are emitted one turn later.
    await new Promise(setImmediate);
    return lines;
  } finally {
    users -= 1;
    if (users === 0) restore();
  }
}

function listen(): () => void {
  const restores = [wrap(process.stdout, 'write'), wrap(process.stderr, 'write'), wrap(process, 'emitWarning')];
  for (const method of ['log', 'info', 'debug', 'warn', 'error', 'trace'] as const)
    restores.push(wrap(globalThis.console, method));
  return () => {
    for (const one of restores) one();
  };
}

/** Records calls of one method in the context of a case, and forwards them. */
function wrap<K extends string>(owner: Record<K, (...args: never[]) => unknown>, method: K): () => void {
  const original = owner[method];
  owner[method] = function (this: unknown, ...args: never[]) {
    scope.getStore()?.push(`${method}: ${args.map(String).join(' ')}`);
    return original.apply(this ?? owner, args);
  };
  return () => {
    owner[method] = original;
  };
}
