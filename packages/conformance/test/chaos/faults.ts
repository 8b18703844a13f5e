// The faults of a round: a plan from a seed, and what each fault does.
import { existsSync, statfsSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { HarnessStore } from '@busbar/conformance';
import type { ClientHost } from './client-host.ts';
import { now } from './fact.ts';
import type { StoreLoss, Window } from './world.ts';

/** One planned fault. */
export interface Fault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: number;
  /** The index of a client, where the fault concerns one. */
  readonly client: number;
  /** A number in [0, 1) for further choices. */
  readonly dice: number;
}

/** What faults act on. */
export interface FaultScene {
  readonly store: HarnessStore;
  readonly hosts: readonly ClientHost[];
  /** The folder of a small disk; undefined if there is none. */
  readonly disk: string | undefined;
  /** Times in which the server may have crashed. */
  readonly crashes: Window[];
  readonly losses: StoreLoss[];
}

type Resource = 'client' | 'server' | 'network' | 'disk' | 'store';

interface FaultEffect {
  /** Two faults with a common resource never overlap. */
  readonly resources: readonly Resource[];
  /** The longest duration. */
  readonly maxMs: number;
  /** How often it is chosen. Default 1. */
  readonly weight?: number;
  isPossible(scene: FaultScene): boolean;
  run(scene: FaultScene, fault: Fault): Promise<void>;
}

const hasServer = ({ store }: FaultScene): boolean => store.server !== undefined;
const hasProcesses = ({ store }: FaultScene): boolean => store.opener !== undefined;
const hasLoss = ({ store }: FaultScene): boolean => store.loss !== undefined;
const always = (): boolean => true;

const EFFECTS = {
  killClient: onClient(5_000, always, async (host, { forMs }) => {
    await host.kill();
    await pause(forMs);
    await host.start();
  }),
  closeClient: onClient(3_000, always, async (host, { forMs }) => {
    await host.close();
    await pause(forMs);
    await host.start();
  }),
  pauseClient: onClient(7_000, hasProcesses, async (host, { forMs }) => {
    await host.pause();
    await pause(forMs);
    host.resume();
  }),
  blockClient: onClient(4_000, hasProcesses, async (host, { forMs }) => {
    host.order({ kind: 'block', ms: forMs });
    await pause(forMs);
  }),
  shiftClock: onClient(100, hasProcesses, async (host, { dice }) => {
    host.order({ kind: 'shiftClock', ms: Math.round((dice - 0.5) * 7_200_000) });
  }),
  killServer: onServer(['server'], 5_000, ({ store: { server }, crashes }, { forMs }) =>
    during(crashes, async () => {
      await server?.kill();
      await pause(forMs);
      await server?.start();
    }),
  ),
  stopServer: onServer(['server'], 3_000, ({ store: { server }, crashes }, { forMs }) =>
    during(crashes, async () => {
      await server?.stop();
      await pause(forMs);
      await server?.start();
    }),
  ),
  pauseServer: onServer(['server'], 8_000, async ({ store: { server } }, { forMs }) => {
    server?.pause();
    await pause(forMs);
    server?.resume();
  }),
  cut: onServer(['network'], 100, async ({ store: { server } }) => server?.network.cut()),
  cutInMessage: onServer(['network'], 1_000, async ({ store: { server } }, { forMs, dice }) => {
    server?.network.cutAfter(1 + Math.floor(dice * 5_000));
    await pause(forMs);
    server?.network.heal();
  }),
  refuseConnections: onServer(['network'], 6_000, async ({ store: { server } }, { forMs }) => {
    server?.network.block();
    await pause(forMs);
    server?.network.heal();
  }),
  deadNetwork: onServer(['network'], 8_000, async ({ store: { server } }, { forMs }) => {
    server?.network.halfOpen();
    await pause(forMs);
    server?.network.heal();
  }),
  slowNetwork: onServer(['network'], 8_000, async ({ store: { server } }, { forMs, dice }) => {
    server?.network.delay(5 + Math.round(dice * 295));
    await pause(forMs);
    server?.network.heal();
  }),
  fullDisk: {
    resources: ['server', 'disk'],
    maxMs: 6_000,
    isPossible: ({ disk }) => disk !== undefined,
    run: async (scene, { forMs, dice }) => {
      const file = join(scene.disk ?? '', 'filler');
      await during(scene.crashes, async () => {
        await fill(scene.disk ?? '', file, dice < 0.5 ? 0 : 262_144);
        await pause(forMs);
        await rm(file, { force: true });
        // A server may have given up, or may need a restart to write again.
        await scene.store.server?.kill();
        await scene.store.server?.start();
      });
    },
  },
  emptyStore: {
    resources: ['server', 'network', 'disk', 'store'],
    maxMs: 100,
    weight: 0.6,
    isPossible: hasLoss,
    run: async ({ store, losses }) => {
      const from = now();
      await store.loss?.lose('nothing');
      losses.push({ savedAt: undefined, from, to: now() });
    },
  },
  oldStore: {
    resources: ['server', 'network', 'disk', 'store'],
    maxMs: 4_000,
    weight: 0.6,
    isPossible: ({ store }) => store.loss?.save !== undefined,
    run: async ({ store, losses }, { forMs }) => {
      const savedAt = now();
      await store.loss?.save?.();
      await pause(forMs);
      const from = now();
      await store.loss?.lose('saved');
      losses.push({ savedAt, from, to: now() });
    },
  },
} as const satisfies Record<string, FaultEffect>;

/** The kinds of faults. */
export type FaultKind = keyof typeof EFFECTS;

const MIN_GAP_MS = 300;
const MAX_GAP_MS = 4_000;

/** Chooses faults for `roundMs`. At most one of them loses the store. */
export function planFaults(scene: FaultScene, random: () => number, roundMs: number): Fault[] {
  const possible = Object.entries(EFFECTS).filter(([, effect]) => effect.isPossible(scene)) as [
    FaultKind,
    FaultEffect,
  ][];
  const losing = random() < 0.4;
  const busyUntil = new Map<string, number>();
  const plan: Fault[] = [];
  for (let atMs = 500; atMs < roundMs; atMs += MIN_GAP_MS + random() * MAX_GAP_MS) {
    const client = Math.floor(random() * scene.hosts.length);
    const [dice, length] = [random(), random()];
    const isFree = ([, { resources }]: [FaultKind, FaultEffect]): boolean =>
      keysOf(resources, client).every((key) => (busyUntil.get(key) ?? 0) <= atMs) &&
      (!resources.includes('store') || (losing && !busyUntil.has('store')));
    const chosen = choose(possible.filter(isFree), random());
    if (chosen === undefined) continue;
    const [kind, { resources, maxMs }] = chosen;
    const forMs = Math.round(Math.min(maxMs, 50 + length * maxMs));
    plan.push({ kind, atMs: Math.round(atMs), forMs, client, dice });
    for (const key of keysOf(resources, client)) busyUntil.set(key, atMs + forMs + 1_500);
  }
  return plan;
}

/** Runs a plan: each fault at its time, and after the faults before it that concern the same. Resolves after the last. */
export async function runFaults(scene: FaultScene, plan: readonly Fault[], say: (text: string) => void): Promise<void> {
  const began = performance.now();
  const last = new Map<string, Promise<void>>();
  await Promise.all(
    plan.map(async (fault) => {
      const effect: FaultEffect = EFFECTS[fault.kind];
      const keys = keysOf(effect.resources, fault.client);
      const before = keys.map((key) => last.get(key));
      const { promise, resolve } = Promise.withResolvers<void>();
      for (const key of keys) last.set(key, promise);
      try {
        await pause(fault.atMs - (performance.now() - began));
        await Promise.all(before);
        say(toText(fault));
        await effect.run(scene, fault);
      } finally {
        resolve();
      }
    }),
  );
}

/** A fault in words, for people. */
export function toText({ kind, atMs, forMs, client }: Fault): string {
  const whom = EFFECTS[kind].resources.some((one) => one === 'client') ? ` ${client + 1}` : '';
  return `${(atMs / 1_000).toFixed(1)} s ${kind}${whom} ${forMs} ms`;
}

function onClient(
  maxMs: number,
  isPossible: (scene: FaultScene) => boolean,
  run: (host: ClientHost, fault: Fault) => Promise<void>,
): FaultEffect {
  return {
    resources: ['client'],
    maxMs,
    isPossible,
    run: async ({ hosts }, fault) => {
      const host = hosts[fault.client];
      if (host?.isAlive) await run(host, fault);
    },
  };
}

function onServer(
  resources: readonly Resource[],
  maxMs: number,
  run: (scene: FaultScene, fault: Fault) => Promise<unknown>,
): FaultEffect {
  return { resources, maxMs, isPossible: hasServer, run: async (scene, fault) => void (await run(scene, fault)) };
}

function keysOf(resources: readonly Resource[], client: number): string[] {
  return resources.map((one) => (one === 'client' ? `client ${client}` : one));
}

function choose<T extends [unknown, FaultEffect]>(all: readonly T[], dice: number): T | undefined {
  const weightOf = ([, { weight = 1 }]: T): number => weight;
  let left = dice * all.reduce((sum, one) => sum + weightOf(one), 0);
  return all.find((one) => {
    left -= weightOf(one);
    return left < 0;
  });
}

async function during(windows: Window[], work: () => Promise<void>): Promise<void> {
  const from = now();
  const window = { from, to: Number.POSITIVE_INFINITY };
  windows.push(window);
  await work();
  window.to = now();
}

/** Fills a disk until `leftBytes` are free. */
async function fill(disk: string, path: string, leftBytes: number): Promise<void> {
  if (!existsSync(disk)) return;
  const file = await open(path, 'w');
  const piece = Buffer.alloc(65_536, 'x');
  try {
    for (;;) {
      const { bavail, bsize } = statfsSync(disk);
      const room = bavail * bsize - leftBytes;
      if (room <= 0) return;
      await file.write(piece, 0, Math.min(piece.length, room));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
}
