/** Everything that can be measured, by name; each is loaded in the process that uses it. */

import type { Client, Place } from './client.ts';

/** One of the things that are compared. */
export interface Subject {
  /** What it is, with what is not obvious about the comparison. */
  readonly about: string;
  open(place: Place): Promise<Client>;
}

export const SUBJECTS: Readonly<Record<SubjectName, Subject>> = {
  sqlite: {
    about: 'Busbar on SQLite, calls of one message each, as many in flight as said',
    open: async (place) => (await import('./subjects/sqlite.ts')).open(place, 'one'),
  },
  'sqlite-many': {
    about: 'the same, one call with as many messages as are in flight elsewhere',
    open: async (place) => (await import('./subjects/sqlite.ts')).open(place, 'many'),
  },
  'sqlite-bus': {
    about: 'Busbar through its Bus: enqueue and process, JSON codec, results not kept',
    open: async (place) => (await import('./subjects/sqlite-bus.ts')).open(place),
  },
  plainjob: {
    about:
      'plainjob: add() for each, which is a transaction each; its worker takes one at a time and polls each second',
    open: async (place) => (await import('./subjects/plainjob.ts')).open(place, 'one'),
  },
  'plainjob-many': {
    about: 'plainjob: addMany() with as many as are in flight elsewhere; the same worker',
    open: async (place) => (await import('./subjects/plainjob.ts')).open(place, 'many'),
  },
  raw: {
    about: 'bare better-sqlite3: insert, claim and delete as many in one transaction as are in flight elsewhere',
    open: async (place) => (await import('./subjects/raw.ts')).open(place),
  },
};

/** The name of one of {@link SUBJECTS}. */
export type SubjectName = 'sqlite' | 'sqlite-many' | 'sqlite-bus' | 'plainjob' | 'plainjob-many' | 'raw';
