/** `busbar where`: which bus the command uses and why, and which other stores nearby hold messages. */

import { maskBusUrl } from '../../bus-url.ts';
import { findRepository, type GitRepository } from '../../config/git-repository.ts';
import { workingFolder } from '../../config/locate-bus.ts';
import { type NearbyStore, nearbyStores, survey } from '../../config/nearby-stores.ts';
import { isMissing, storeFileOf } from '../../schemes.ts';
import { type Command, defineCommand } from '../command.ts';
import { DONE } from '../output/exit-codes.ts';
import { printableLine, quoteForShell } from '../output/printable.ts';
import { count } from '../output/table.ts';
import type { Session } from '../session.ts';

/** What the command prints. */
interface Whereabouts {
  readonly url: string;
  readonly origin: string;
  /** Null for a server, which is not asked. */
  readonly exists: boolean | null;
  /** The SQLite file behind the bus, if any. */
  readonly file: string | null;
  readonly messages: number;
  readonly dead: number;
  /** Only in a linked worktree of git. */
  readonly worktree: GitRepository | null;
  readonly nearby: readonly NearbyStore[];
}

export const where: Command = defineCommand({
  args: [],
  flags: {},
  examples: [
    ['busbar where', 'the bus, why this one, and what else is nearby'],
    ['busbar where --url team --json', 'what a name in busbar.config.json means'],
  ],
  notes: [
    'The bus is --url, else MESSAGE_BUS, else bus in the nearest busbar.config.json, else bus.db in the nearest .busbar folder, in this folder or above. A new one is made beside .git. HOME plays no part: a cron job changes to the project first, or sets MESSAGE_BUS.',
    'All worktrees of a git repository share the bus of the main one. A worktree with a .busbar folder has its own.',
    'sqlite, unix, zmq and ws of one project are one store, with the same messages, events, locks and presence.',
    'It creates nothing and asks no server. Nearby are stores with messages in .busbar folders and files bus.db: above, one level below, in other worktrees, in the home folder, and in busbar.config.json.',
  ],
  run: async ({ session }) => {
    const { out } = session;
    const found = await look(session);
    if (out.json) await out.jsonLines([found]);
    else await out.lines(toRows(found).map(([name, text]) => `${name.padEnd(8)}  ${printableLine(text)}`));
    return DONE;
  },
});

async function look(session: Session): Promise<Whereabouts> {
  const located = session.locate();
  const cwd = workingFolder();
  const repository = findRepository(cwd);
  const file = await storeFileOf(located.url);
  const isAbsent = await isMissing(located.url);
  const held = file === undefined ? undefined : await survey(file);
  return {
    url: maskBusUrl(located.url),
    origin: located.origin,
    exists: isAbsent ? false : file === undefined ? null : true,
    file: file ?? null,
    messages: held?.messages ?? 0,
    dead: held?.dead ?? 0,
    worktree: repository === undefined || repository.root === repository.shared ? null : repository,
    nearby: await nearbyStores(cwd, session.env, file),
  };
}

type Row = readonly [name: string, text: string];

function toRows({ url, origin, exists, file, messages, dead, worktree, nearby }: Whereabouts): Row[] {
  const rows: Row[] = [
    ['bus', url],
    ['why', origin === 'default' ? 'the default: nothing names another bus' : `named by ${origin}`],
  ];
  if (worktree !== null) rows.push(['worktree', `${worktree.root} shares the bus of ${worktree.shared}`]);
  if (exists === false) rows.push(['state', 'not there yet; register, publish or task add makes it']);
  if (exists === true) rows.push(['state', `holds ${contents(messages, dead)}`]);
  if (exists === null) rows.push(['state', 'not asked; busbar doctor opens it']);
  if (file !== null && !url.startsWith('sqlite:')) rows.push(['store', `${file}, which --url sqlite:… opens too`]);
  for (const store of nearby) {
    const spaces = store.namespaces.length === 0 ? '' : `, ns ${store.namespaces.join(', ')}`;
    rows.push([
      'nearby',
      `${contents(store.messages, store.dead)}${spaces}: --url ${quoteForShell(urlOf(store.file))}`,
    ]);
  }
  return rows;
}

function contents(messages: number, dead: number): string {
  return dead === 0 ? count(messages, 'message') : `${count(messages, 'message')}, ${count(dead, 'dead letter')}`;
}

function urlOf(file: string): string {
  return `sqlite:${file.replaceAll(/[%?#]/g, encodeURIComponent)}`;
}
