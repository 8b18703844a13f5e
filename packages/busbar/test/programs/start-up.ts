// Measures the start of a command: `node test/programs/start-up.ts [ROUNDS]`, on an idle machine.
// Rounds are interleaved, so that other load affects all commands alike; the first round warms the compile cache.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { tempDir } from '@busbar/testbed';

const rounds = Number(process.argv[2] ?? 31);
const bin = fileURLToPath(new URL('../../bin/busbar.js', import.meta.url));
await using dir = tempDir('busbar-start-up');
const url = `sqlite:${dir.join('bus.db')}`;
const commands: Record<string, string[]> = {
  'node -e 0': ['-e', '0'],
  'busbar --version': [bin, '--version'],
  'busbar send (memory)': [bin, 'send', '@a', 'x', '--create-inbox', '--url', 'memory:'],
  'busbar send (sqlite)': [bin, 'send', '@a', 'x', '--create-inbox', '--url', url],
  'busbar recv (sqlite)': [bin, 'recv', '@a', '--ack', 'auto', '--url', url],
  'busbar agents (sqlite)': [bin, 'agents', '--url', url],
};
const env = { ...process.env, NODE_OPTIONS: '', MESSAGE_BUS: undefined };
const times = new Map(Object.keys(commands).map((name) => [name, [] as number[]]));
for (let round = 0; round <= rounds; round += 1) {
  for (const [name, args] of Object.entries(commands)) {
    const began = performance.now();
    const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
    if (round > 0) times.get(name)?.push(performance.now() - began);
  }
}
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
const base = median(times.get('node -e 0') ?? []);
for (const [name, values] of times) {
  const ms = median(values);
  const least = Math.min(...values);
  process.stdout.write(
    `${name.padEnd(24)} ${ms.toFixed(0).padStart(4)} ms  +${(ms - base).toFixed(0).padStart(3)} ms  ×${(ms / base).toFixed(1)}  (least ${least.toFixed(0)} ms)\n`,
  );
}
