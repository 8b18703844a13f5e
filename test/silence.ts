// Fails a test that writes to the console, or warns: libraries are silent, and noise hides failures.
import { afterAll, afterEach, beforeEach, vi } from 'vitest';

const methods = ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const;
const emitWarning = process.emitWarning.bind(process);
let written: string[] = [];

// Concurrent tests share the console: a second spy changes nothing, and the end of the file restores all.
beforeEach(() => {
  for (const method of methods) {
    vi.spyOn(console, method).mockImplementation((...args: unknown[]) => {
      written.push(`console.${method}: ${args.map(String).join(' ')}`);
    });
  }
  vi.spyOn(process, 'emitWarning').mockImplementation((warning, ...rest: unknown[]) => {
    if (rest[0] === 'BusbarWarning') written.push(`BusbarWarning: ${warning}`);
    else emitWarning(warning, ...(rest as []));
  });
});

afterEach(() => {
  const noise = written;
  written = [];
  if (noise.length > 0) throw new Error(`the test wrote to the console:\n${noise.join('\n')}`);
});

afterAll(() => {
  vi.restoreAllMocks();
});
