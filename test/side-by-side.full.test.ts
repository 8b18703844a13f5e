// A process of the previous commit and one of this tree share one store, in both orders of opening it.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Child, needServer, spawnChild, startNats, startRedis, type TempDir, tempDir } from '@busbar/testbed';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from './repo/sources.ts';

const PEER = 'test/programs/side-by-side.ts';
/** `BUSBAR_OLDER` names another commit, such as that of a release. */
const OLDER = process.env['BUSBAR_OLDER'] ?? 'HEAD~1';
const COUNT = 20;
const LONG = { timeoutMs: 90_000 };
const TIMEOUT = { timeout: 300_000 };

let older: TempDir | undefined;

beforeAll(() => {
  if (hasPrevious()) older = makePrevious();
}, 60_000);
afterAll(() => older?.[Symbol.asyncDispose]());

describe.each(['older', 'newer'])('the %s one opens the store first', (first) => {
  test.for([
    ['sqlite', 'sqlite:$/bus.db'],
    ['unix', 'unix:$/bus.sock?idleMs=1000'],
    ['zmq', 'zmq:ipc://$/bus.zmq?idleMs=1000'],
    ['ws', 'ws:$/bus.ws?idleMs=1000'],
  ] as const)('over %s', TIMEOUT, ([, url], { skip }) => share(url, first, skip));

  test('on redis', TIMEOUT, async ({ skip }) => {
    needServer('redis-server', skip);
    await using server = await startRedis();
    await share(server.url, first, skip);
  });

  test('on nats', TIMEOUT, async ({ skip }) => {
    needServer('nats-server', skip);
    await using server = await startNats();
    await share(server.url, first, skip);
  });
});

/** Where the program of a peer is. */
function treeOf(name: 'older' | 'newer'): string {
  return name === 'older' ? (older?.path ?? '') : root;
}

/**
 * Each sends mail, requests, tasks, events, a flow and a schedule to the other one, gets all of the other's, and cancels a task
 * of the other. Both use the same keys and the same rate limit.
 */
async function share(pattern: string, first: string, skip: (note: string) => void): Promise<void> {
  if (older === undefined) return skip('NOT TESTED: there is no previous commit: clone with its history');
  await using folder = tempDir('side-by-side');
  await using stack = new AsyncDisposableStack();
  const url = pattern.replace('$', folder.path);
  const start = (name: 'older' | 'newer'): Child => {
    const file = join(treeOf(name), PEER);
    const args = [url, name, name === 'older' ? 'newer' : 'older', String(COUNT)];
    // The commit before is not built.
    return stack.use(spawnChild({ file, args, cwd: folder.path, env: { RUN_BUILT: undefined } }));
  };
  const peers: Child[] = [];
  for (const name of first === 'older' ? (['older', 'newer'] as const) : (['newer', 'older'] as const)) {
    const peer = start(name);
    const { library } = await peer.next<{ library: string }>(() => true, LONG);
    expect(library.startsWith(pathToFileURL(treeOf(name)).href)).toBe(true);
    peers.push(peer);
  }
  for (const peer of peers) peer.send('go');
  const all = Array.from({ length: COUNT }, (_, index) => index);
  for (const peer of peers) {
    const got = await peer.next<object>(() => true, LONG);
    expect(got).toEqual({
      ...{ mail: all, events: all, tasks: all, results: all, responses: all, tokens: true },
      ...{ flow: [0, 2, 4], cancelled: [true, 'cancelled'], ticks: 3 },
    });
  }
  let limited = 0;
  for (const peer of peers) {
    peer.send('look');
    const shared = await peer.next<{ limited: number }>(() => true, LONG);
    expect(shared).toMatchObject({ replaced: 1, unique: 1 });
    limited += shared.limited;
  }
  expect(limited).toBe(3);
  for (const peer of peers) peer.send('end');
  for (const peer of peers) expect(await peer.exited, peer.stderr).toEqual({ code: 0, signal: null });
}

function git(...args: string[]): Buffer {
  return execFileSync('git', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 30 });
}

function hasPrevious(): boolean {
  try {
    git('rev-parse', '--verify', `${OLDER}^{tree}`);
    return true;
  } catch {
    return false;
  }
}

/** The tree of the previous commit, with the packages that are installed here and the peer of this tree. */
function makePrevious(): TempDir {
  const folder = tempDir('busbar-previous');
  execFileSync('tar', ['-x', '-C', folder.path], { input: git('archive', OLDER, 'package.json', 'packages') });
  const modules = folder.join('node_modules');
  mkdirSync(join(modules, '@busbar'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== '@busbar' && name !== 'busbar') symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  for (const name of readdirSync(folder.join('packages'))) {
    symlinkSync(
      folder.join('packages', name),
      name === 'busbar' ? join(modules, name) : join(modules, '@busbar', name),
    );
    const own = join(root, 'packages', name, 'node_modules');
    if (existsSync(own)) symlinkSync(own, folder.join('packages', name, 'node_modules'));
  }
  mkdirSync(folder.join('test/programs'), { recursive: true });
  cpSync(join(root, PEER), folder.join(PEER));
  return folder;
}
