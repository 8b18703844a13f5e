/** The subjects of the streams. A closed store gives up those of all writes, and takes those of imports at one revision. */

import type { Names } from '../connection/names.ts';

/** The subjects of one stream. */
export interface StreamSubjects {
  readonly stream: string;
  /** Of an open store. */
  readonly open: readonly string[];
  /** Those of the open store that a closed one gives up. */
  readonly writes: readonly string[];
  /** The other ones of a closed store. */
  readonly kept: readonly string[];
  /** The subject in front of all that the stream stores. */
  readonly root: string;
  /** Its part of the subjects of imports. */
  readonly part: string;
}

/** A part of the configuration of a stream. */
export interface SubjectConfig {
  readonly subjects: readonly string[];
  readonly subject_transform?: { readonly src: string; readonly dest: string } | undefined;
}

/** The subjects of the four streams of a namespace: queues, ledger, topics, kv. */
export function streamSubjects(
  names: Names,
): readonly [StreamSubjects, StreamSubjects, StreamSubjects, StreamSubjects] {
  const { prefix: root } = names;
  const queues = [`${root}.q.>`, `${root}.i.>`];
  const records = [`${root}.l.>`, `${root}.s.>`];
  const own = [names.header, names.gate];
  const topics = [`${root}.t.>`];
  const bucket = names.bucket;
  return [
    { stream: names.queues, open: queues, writes: queues, kept: [], root, part: 'queues' },
    { stream: names.ledger, open: [...records, ...own], writes: records, kept: own, root, part: 'ledger' },
    { stream: names.topics, open: topics, writes: topics, kept: [], root, part: 'topics' },
    {
      ...{ stream: names.kv, open: [`${bucket}.>`], writes: [`${bucket}.v.>`, `${bucket}.t.>`] },
      ...{ kept: [names.revisions], root: bucket, part: 'kv' },
    },
  ];
}

/** The subjects of a stream. `revision`: of a store that is closed at this revision of its gate. */
export function configOf(names: Names, { open, kept, root, part }: StreamSubjects, revision?: number): SubjectConfig {
  if (revision === undefined) return { subjects: open };
  const src = `${names.imports(revision)}.${part}.>`;
  return { subjects: [...kept, src], subject_transform: { src, dest: `${root}.>` } };
}

/** The stream that stores what is published at `subject` while the store is open; undefined for what a closed one takes too. */
export function streamOf(names: Names, subject: string): string | undefined {
  return findSubjects(names, subject)?.stream;
}

/** The subject to publish at so that a store closed at `revision` stores a message as one of `subject`. */
export function subjectOfImport(names: Names, subject: string, revision: number): string {
  const found = findSubjects(names, subject);
  if (found === undefined) return subject;
  return `${names.imports(revision)}.${found.part}.${subject.slice(found.root.length + 1)}`;
}

function findSubjects(names: Names, subject: string): StreamSubjects | undefined {
  const isOf = (pattern: string): boolean => subject.startsWith(pattern.slice(0, -1));
  return streamSubjects(names).find(({ writes }) => writes.some(isOf));
}
