// One round: a new store, clients at work, random faults, and the verdict.
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { type Bus, openBus } from '@busbar/api';
import { waitFor } from '@busbar/testbed';
import { seededRandom, seedFor } from '../../src/context/random.ts';
import { loadHarness } from './backends.ts';
import { describe } from './call-timer.ts';
import { DONE, JOBS, WORK } from './chaos-client.ts';
import { type ClientHost, LocalHost, ProcessHost, untilReady } from './client-host.ts';
import { type Fact, now } from './fact.ts';
import { type FaultScene, planFaults, runFaults, toText } from './faults.ts';
import { JudgedRound, judge, missing } from './judge.ts';
import type { World } from './world.ts';

/** How to run a round. */
export interface RoundSetting {
  readonly backend: string;
  readonly seed: number;
  /** How long faults happen. Default: 20 to 60 seconds, by the seed. */
  readonly seconds?: number;
  /** The folder of a small disk that holds the store; undefined if there is none. */
  readonly disk?: string;
  /** Where the facts and faults of a failed round go, as JSON lines. */
  readonly log?: string;
}

/** The result of a round. */
export interface Verdict {
  readonly backend: string;
  readonly seed: number;
  /** The duration of the whole round. */
  readonly seconds: number;
  readonly faults: readonly string[];
  /** How many messages and events were stored, and how many deliveries there were. */
  readonly stored: number;
  readonly got: number;
  readonly problems: readonly string[];
}

const CLIENTS = 3;
const READY_MS = 120_000;
/** How long it takes at most, after the last fault, until all is delivered. */
const DRAINED_MS = 90_000;
const ONLINE_MS = 30_000;
const RECOVERED_MS = 30_000;

/** Runs a round. Rejects only if it could not begin. */
export async function runRound(setting: RoundSetting, say: (text: string) => void = () => undefined): Promise<Verdict> {
  const { backend, seed, disk } = setting;
  const began = now();
  const random = seededRandom(seedFor(seed, backend));
  const roundMs = 1_000 * (setting.seconds ?? 20 + 40 * random());
  const harness = await loadHarness(backend);
  const store = await harness.store({ server: harness.serverless !== true });
  const [facts, wrong, happened]: [Fact[], string[], object[]] = [[], [], []];
  const names = Array.from({ length: CLIENTS }, (_, index) => `@client-${index + 1}`);
  const hosts = names.map((name): ClientHost => {
    const parts = { name, peers: names, seed, store };
    const host = {
      ...parts,
      record: (fact: Fact) => void facts.push(fact),
      wrong: (text: string) => void wrong.push(text),
    };
    return store.opener === undefined ? new LocalHost(host) : new ProcessHost(host);
  });
  const scene: FaultScene = { store, hosts, disk, crashes: [], losses: [] };
  const plan = planFaults(scene, random, roundMs);
  const bus = openBus(await store.open(), { onError: () => undefined });
  try {
    const tell = (text: string): void => {
      happened.push({ at: now(), fault: text });
      say(text);
    };
    const hasWrongClocks = plan.some(({ kind }) => kind === 'shiftClock');
    const world = await play({ ...scene, hasWrongClocks }, bus, facts, async () => {
      await runFaults(scene, plan, tell);
      await pause(Math.max(0, began + roundMs - now()));
    });
    wrong.push(...judge(facts, world));
  } catch (error) {
    wrong.push(describe(error));
  } finally {
    await Promise.all(hosts.map((host) => host.kill()));
    await bus.close({ drainMs: 0 });
    await store.remove();
  }
  if (setting.log !== undefined && wrong.length > 0)
    writeFileSync(setting.log, [...facts, ...happened].map((line) => `${JSON.stringify(line)}\n`).join(''));
  const count = (kind: string): number => facts.filter((fact) => fact.kind === kind).length;
  const stored = facts.filter((fact) => fact.kind === 'sent' && fact.outcome === 'stored').length;
  return {
    ...{ backend, seed, seconds: Math.round((now() - began) / 1_000), faults: plan.map(toText) },
    ...{ stored, got: count('got'), problems: wrong },
  };
}

/** Starts the clients, lets faults happen, and waits until all is delivered. */
async function play(
  scene: FaultScene & Pick<World, 'hasWrongClocks'>,
  bus: Bus,
  facts: Fact[],
  faults: () => Promise<void>,
): Promise<World> {
  const { hosts, store, crashes, losses, hasWrongClocks } = scene;
  await Promise.all(hosts.map((host) => host.start()));
  await Promise.all(hosts.map((host) => untilReady(host, facts, READY_MS)));
  await faults();
  await Promise.all(hosts.map((host) => untilReady(host, facts, READY_MS)));
  await untilRecovered(hosts, facts);
  for (const host of hosts) host.order({ kind: 'stop' });
  await waitFor(() => hosts.every((host) => hasStopped(host, facts)), { what: 'senders to stop', timeoutMs: READY_MS });
  const alive = hosts.map(({ name, life }) => ({ client: name, life }));
  const { capabilities } = bus.transport;
  const world = (): World => ({
    ...{ capabilities, crashes, losses, hasWrongClocks, alive, counter: 0, done: new Map() },
  });
  const isDrained = async (): Promise<boolean> =>
    missing(new JudgedRound(facts, world())).length === 0 && (await leftIn(bus)).length === 0;
  const deadline = now() + DRAINED_MS;
  while (!(await isDrained().catch(() => false)) && now() < deadline) await pause(250);
  const left = await leftIn(bus);
  if (left.length > 0) throw new Error(`not delivered within ${DRAINED_MS} ms: ${left.join(', ')}`);
  // A client that was paused or blocked is online again with its next heartbeat.
  const areOnline = async (): Promise<boolean> => (await bus.agents({ online: true })).length === hosts.length;
  await waitFor(areOnline, { what: 'all clients to be online', timeoutMs: ONLINE_MS });
  const last = { ...world(), counter: await readCounter(bus), done: await readDone(bus) };
  await Promise.all(hosts.map((host) => host.close()));
  if (store.server !== undefined) store.server.network.heal();
  return last;
}

/** Each client sends and receives again after the last fault. */
async function untilRecovered(hosts: readonly ClientHost[], facts: readonly Fact[]): Promise<void> {
  const began = now();
  for (const { name } of hosts) {
    const isSend = (fact: Fact): boolean => fact.kind === 'sent' && fact.outcome === 'stored' && fact.calledAt > began;
    const isReceipt = (fact: Fact): boolean => fact.kind === 'got' && fact.at > began;
    for (const [what, matches] of [['send', isSend] as const, ['receive', isReceipt] as const]) {
      const isDone = (): boolean => facts.some((fact) => fact.client === name && matches(fact));
      await waitFor(isDone, { what: `${name} to ${what} after the last fault`, timeoutMs: RECOVERED_MS });
    }
  }
}

function hasStopped({ name, life }: ClientHost, facts: readonly Fact[]): boolean {
  return facts.some((fact) => fact.kind === 'stopped' && fact.client === name && fact.life === life);
}

/** The queues of the clients that still have messages. */
async function leftIn({ transport }: Bus): Promise<string[]> {
  const queues = await transport.admin.queues();
  const own = queues.filter(({ name }) => [WORK, JOBS].includes(name) || /^\$(inbox\.@client|sub\.)/.test(name));
  const left = own.filter(({ ready, delayed, leased }) => ready + delayed + leased > 0);
  return Promise.all(
    left.map(async ({ name, ready, delayed, leased }) => {
      const { messages } = await transport.admin.browse(name, { limit: 5 });
      const first = messages.map(({ message, state, attempts, delayLeftMs }) => {
        return `${message.id} ${state} ${attempts} attempts ${delayLeftMs ?? ''}`;
      });
      return `${name} ${ready} ready, ${delayed} delayed, ${leased} leased: ${first.join('; ')}`;
    }),
  );
}

async function readCounter({ transport }: Bus): Promise<number> {
  const entry = await transport.kv.get('counter');
  return entry === undefined ? 0 : Number(Buffer.from(entry.value).toString());
}

async function readDone(bus: Bus): Promise<Map<string, number>> {
  const done = new Map<string, number>();
  for await (const { body } of bus.history<{ id: string }>(DONE)) done.set(body.id, (done.get(body.id) ?? 0) + 1);
  return done;
}
