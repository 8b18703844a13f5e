// Mutants of kv, and thereby of locks and the registry.
import { type Mutant, replace, without } from './mutant.ts';

export const mutants: readonly Mutant[] = [
  {
    name: 'restarts revisions for every holder',
    killedBy: 'W6',
    mutate(transport) {
      return replace(transport, {
        entries: {
          async put(key, value, options) {
            const result = await transport.kv.put(key, value, options);
            return result.status === 'stored' && result.revision === result.createRevision
              ? { ...result, createRevision: 1 }
              : result;
          },
          async get(key, options) {
            const entry = await transport.kv.get(key, options);
            return entry && { ...entry, createRevision: 1 };
          },
        },
      });
    },
  },
  {
    name: 'ignores the revision of a write',
    killedBy: 'K6',
    mutate: (transport) =>
      replace(transport, {
        entries: {
          put: (key, value, { ttlMs } = {}) => transport.kv.put(key, value, ttlMs === undefined ? {} : { ttlMs }),
        },
      }),
  },
  {
    name: 'renews a key by reading and writing it',
    killedBy: 'K8',
    mutate: (transport) =>
      replace(transport, {
        entries: {
          touch: (touches) =>
            Promise.all(
              touches.map(async ({ key, ttlMs, createRevision }) => {
                const entry = await transport.kv.get(key);
                const isOwn = entry !== undefined && entry.createRevision === (createRevision ?? entry.createRevision);
                if (isOwn) await transport.kv.put(key, entry.value, { ttlMs });
                return { key, status: isOwn ? 'touched' : 'lost' };
              }),
            ),
        },
      }),
  },
  {
    name: 'renews a key of another holder',
    killedBy: 'K8',
    mutate: (transport) =>
      replace(transport, {
        entries: { touch: (touches) => transport.kv.touch(touches.map((touch) => without(touch, 'createRevision'))) },
      }),
  },
  {
    name: 'never expires keys',
    killedBy: 'Z6',
    mutate: (transport) =>
      replace(transport, {
        entries: {
          put: (key, value, { ifRevision } = {}) =>
            transport.kv.put(key, value, ifRevision === undefined ? {} : { ifRevision }),
        },
      }),
  },
  {
    name: 'reports each change to watchers twice',
    killedBy: 'S12',
    mutate: (transport) =>
      replace(transport, {
        entries: {
          watch: (prefix, onChanges, options) =>
            transport.kv.watch(
              prefix,
              async (changes) => {
                await onChanges(changes);
                await onChanges(changes.filter(({ kind }) => kind !== 'synced'));
              },
              options,
            ),
        },
      }),
  },
  {
    name: 'does not report expired keys to watchers',
    killedBy: 'Z4',
    mutate: (transport) =>
      replace(transport, {
        entries: {
          watch: (prefix, onChanges, options) =>
            transport.kv.watch(
              prefix,
              (changes) => onChanges(changes.filter(({ kind }) => kind === 'put' || kind === 'synced')),
              options,
            ),
        },
      }),
  },
  {
    name: 'treats a prefix as a pattern',
    killedBy: 'N5',
    mutate: (transport) =>
      replace(transport, {
        entries: { list: (prefix, options) => transport.kv.list(prefix.replace(/[%_*].*$/, ''), options) },
      }),
  },
];
