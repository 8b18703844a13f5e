// The harness of the conformance suite for an audited transport, and what its tests share.
import { join } from 'node:path';
import type { Transport } from '@busbar/api/transport';
import type { Harness } from '@busbar/conformance';
import { tempDir } from '@busbar/testbed';
import { openSqlite } from '@busbar/transport-sqlite';
import { type AuditOptions, type AuditParts, openAudit } from '../src/index.ts';
import { lossOf } from './file-loss.ts';

/** Small enough for a case to exceed it. */
const SMALL = { durability: 'process', retention: { maxEvents: 20_000, maxBytes: 64 * 1024 * 1024 } } as const;

/** An audited bus in two files, for other processes. */
export interface AuditFiles {
  readonly folder: string;
  readonly options?: AuditOptions;
}

/** Opens the bus in a folder with its log beside it. */
export function openFiles({ folder, options }: AuditFiles): Promise<Transport> {
  return openAudit(fileParts(folder), options);
}

/** Both files. */
export function fileParts(folder: string): AuditParts {
  const part = (name: string): AuditParts['of'] => ({
    name,
    open: () => openSqlite({ file: join(folder, `${name}.db`), ...SMALL }),
  });
  return { of: part('bus'), log: part('audit') };
}

/** Two levels: an audit around another composed transport, within this process. */
export function auditOver(inner: Harness): Harness {
  return {
    ...inner,
    name: `audit of ${inner.name}`,
    missing: { ...inner.missing, processes: 'The inner transport is tested with several processes.' },
    async store() {
      const dir = tempDir('busbar-audit');
      const { opener: _opener, ...store } = await inner.store();
      const of = { name: 'bus', open: (): Promise<Transport> => store.open() };
      const { log } = fileParts(dir.path);
      return {
        ...store,
        open: () => openAudit({ of, log }),
        async remove() {
          await store.remove();
          await dir[Symbol.asyncDispose]();
        },
      };
    },
  };
}

/** SQLite with a log in SQLite. The bus can lose its data; the log stays. */
export function auditHarness(): Harness {
  return {
    name: 'audit (sqlite)',
    missing: {
      files: 'The parts are tested for it.',
      format: 'The parts are tested for it.',
      options: 'Each part has its own options.',
    },
    serverless: true,
    async store() {
      const dir = tempDir('busbar-audit');
      const argument: AuditFiles = { folder: dir.path };
      return {
        open: () => openFiles(argument),
        opener: { module: import.meta.url, name: 'openFiles', argument },
        loss: lossOf(join(dir.path, 'bus.db')),
        remove: async () => await dir[Symbol.asyncDispose](),
      };
    },
  };
}
