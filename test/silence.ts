// Fails a test that writes to the console: libraries are silent, and noise hides failures.
import { afterAll, afterEach, beforeEach, vi } from 'vitest';

const methods = ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const;
let written: string[] = [];

// Concurrent tests share the console: a second spy changes nothing, and the end of the file restores all.
beforeEach(() => {
  for (const method of methods) {
    vi.spyOn(console, method).mockImplementation((...args: unknown[]) => {
      written.push(`console.${method}: ${args.map(String).join(' ')}`);
    });
  }
});

afterEach(() => {
  const noise = written;
  written = [];
  if (noise.length > 0) throw new Error(`the test wrote to the console:\n${noise.join('\n')}`);
});

afterAll(() => {
  vi.restoreAllMocks();
});
