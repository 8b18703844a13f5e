/** Checks of an open bus: capabilities, a round trip, and mail that piles up. */

import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Capabilities, Gate, Transport, TransportPart } from '@busbar/api/transport';
import { isBusbarError, newId } from '@busbar/api/transport';
import type { MigratePart } from '@busbar/compose';
import { composedScheme } from '../../composed-url.ts';
import { migrateParts, openUrl } from '../../schemes.ts';
import { formatDuration } from '../input/durations.ts';
import { mailboxes } from '../mail/mailbox.ts';
import { count } from '../output/table.ts';
import { openWithin, type Session } from '../session.ts';
import { filePath } from './file-checks.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const SLOW_MS = 250;
const OLD_MS = 3_600_000;
const PROBE_MS = 5_000;

/** Checks a bus that does not exist yet, in a temporary file where its file would be. */
export async function checkMissing(url: string, session: Session): Promise<Finding[]> {
  const creates = 'register, publish and task add create it.';
  if (!url.startsWith('sqlite:')) return [warn('open', 'the bus does not exist yet', creates)];
  const folder = existingFolder(filePath(url));
  // As in the missing folder, if the store makes one.
  const isWhole = folder === dirname(filePath(url));
  const name = `.busbar-doctor-${newId()}`;
  const file = isWhole ? join(folder, name) : join(folder, name, 'probe.db');
  try {
    const probe = `sqlite:${file.replaceAll(/[%?#]/g, encodeURIComponent)}`;
    await using transport = await openWithin(openUrl(`${probe}${/[?].*$/s.exec(url)?.[0] ?? ''}`), session.call);
    return [
      ok('open', 'the bus does not exist yet; a temporary one opens'),
      ...checkCapabilities(transport),
      ...(await checkRoundTrip(transport, session)),
      ...(await checkMail(transport, session)),
    ];
  } finally {
    const made = (await readdir(folder)).filter((entry) => entry.startsWith(name));
    await Promise.all(made.map((entry) => rm(join(folder, entry), { recursive: true, force: true })));
  }
}

/** The nearest folder above `path` that exists. */
function existingFolder(path: string): string {
  const folder = dirname(path);
  return existsSync(folder) || folder === dirname(folder) ? folder : existingFolder(folder);
}

/** The parts, the capabilities and the warnings of the transport. */
export function checkCapabilities({ name, capabilities, warnings = [], parts = [] }: Transport): Finding[] {
  const { durability, reach, features } = capabilities;
  const missing = Object.entries(features).filter(([, has]) => !has);
  const lacks = missing.length === 0 ? '' : `; without ${missing.map(([feature]) => feature).join(', ')}`;
  const findings = [ok('transport', `${name}: ${SURVIVES[durability]}, ${REACHES[reach]}${lacks}`)];
  findings.push(...parts.map(checkPart));
  for (const { text, hint } of warnings) findings.push(warn('settings', text, hint));
  if (reach !== 'process') return findings;
  const text =
    durability === 'none' ? 'other processes cannot reach this bus' : 'one process at a time can open this bus';
  return [...findings, warn('reach', text, 'Use sqlite or a server.')];
}

function checkPart({ role, name, state, carries }: TransportPart): Finding {
  const text = `${role}: ${name} carries ${carries}`;
  if (state === 'open') return ok('parts', text);
  return warn(
    'parts',
    `${text}; it is ${state}`,
    'See that its server runs. Meanwhile the other part takes its traffic.',
  );
}

const SURVIVES: Readonly<Record<Capabilities['durability'], string>> = {
  none: 'messages are lost with the process',
  process: 'messages survive killed processes',
  power: 'messages survive loss of power',
};
const REACHES: Readonly<Record<Capabilities['reach'], string>> = {
  process: 'within one process',
  host: 'within this machine',
  network: 'over the network',
};

/** Which of its two buses carries a bus that may move; no findings for other URLs. */
export async function checkParts(url: string, session: Session): Promise<Finding[]> {
  if (composedScheme(url) !== 'migrate') return [];
  const { from, to } = migrateParts(url);
  const [source, target] = await Promise.all([gateOf(from, session), gateOf(to, session)]);
  const isMoved = source === undefined || source.movedTo !== undefined;
  const found = `${from.name} ${source?.state ?? 'away'}, ${to.name} ${target?.state ?? 'away'}`;
  if (!isMoved) return [ok('parts', `${from.name} carries the bus: ${found}`)];
  const hint = `Set MESSAGE_BUS to ${to.name}: ${from.name} is not needed any more.`;
  return [warn('parts', `${to.name} carries the bus: ${found}`, hint)];
}

async function gateOf({ open }: MigratePart, { call }: Session): Promise<Gate | undefined> {
  try {
    await using transport = await openWithin(open(), call);
    return await transport.admin.gate(call);
  } catch (error) {
    if (isBusbarError(error)) return undefined;
    throw error;
  }
}

/** Sends a message through a temporary queue to a waiting receiver, and acks it. */
export async function checkRoundTrip({ queues, admin }: Transport, { call }: Session): Promise<Finding[]> {
  const queue = `$doctor.${newId()}`;
  await queues.configure(queue, { expireIdleMs: 60_000 }, call);
  try {
    const receiving = queues.receive(queue, { waitMs: PROBE_MS });
    receiving.catch(() => undefined); // It may fail before it is awaited.
    const began = performance.now();
    await queues.send(queue, [{ body: new TextEncoder().encode('"probe"'), contentType: 'application/json' }], call);
    const sent = performance.now();
    const [delivery] = await receiving;
    const received = performance.now();
    if (delivery === undefined) {
      return [
        fail(
          'round trip',
          `a message did not arrive within ${formatDuration(PROBE_MS)}`,
          'Check whether the disk or the server is overloaded.',
        ),
      ];
    }
    await queues.settle([{ receipt: delivery.receipt, action: 'ack' }], call);
    return [timing(sent - began, received - began, performance.now() - received)];
  } finally {
    await admin.deleteQueue(queue, call).catch(() => undefined);
  }
}

function timing(sendMs: number, arriveMs: number, ackMs: number): Finding {
  const [send, arrive, ack] = [sendMs, arriveMs, ackMs].map(formatDuration);
  const detail = `sent in ${send}, arrived after ${arrive}, acked in ${ack}`;
  if (Math.max(sendMs, arriveMs, ackMs) < SLOW_MS) return ok('round trip', detail);
  return warn('round trip', `slow: ${detail}`, 'Check whether the disk or the server is overloaded.');
}

/** Old mail, dead letters, and the mailbox of the agent to act for. */
export async function checkMail(transport: Transport, session: Session): Promise<Finding[]> {
  const findings: Finding[] = [];
  const boxes = await mailboxes(transport, session);
  const agent = session.agentName;
  if (agent !== undefined && !boxes.has(agent)) {
    findings.push(warn('agent', `${agent} has no mailbox`, `busbar register ${agent}`));
  }
  for (const [name, { ready, dead, oldestAgeMs }] of boxes) {
    if (oldestAgeMs > OLD_MS) {
      findings.push(
        warn(
          'mail',
          `${name} has ${count(ready, 'message')}, the oldest for ${formatDuration(oldestAgeMs)}`,
          `busbar recv ${name}`,
        ),
      );
    }
    if (dead > 0) findings.push(warn('mail', `${name} has ${count(dead, 'dead letter')}`, `busbar dead list ${name}`));
  }
  return findings.length > 0 ? findings : [ok('mail', `${count(boxes.size, 'mailbox')}, nothing piles up`)];
}
