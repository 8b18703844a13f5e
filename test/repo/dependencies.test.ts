// Dependencies of the packages. A new one needs a reason here and a record in docs/adr/.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { manifests } from './manifests.ts';
import { root } from './sources.ts';

/** Dependencies that users install with each package, besides siblings. */
const allowed: Record<string, Record<string, string>> = {
  '@busbar/api': { croner: 'cron expressions in time zones, without a dependency; loaded for a schedule that has one' },
  '@busbar/transport-sqlite': {
    'better-sqlite3':
      'synchronous, prebuilt, brings its own SQLite; dist/ has a copy, see docs/adr/0028-slim-install.md',
  },
  '@busbar/transport-redis': { ioredis: 'the Redis client with Sentinel, Cluster and pipelining by itself' },
  '@busbar/transport-nats': {
    '@nats-io/transport-node': 'the maintained client; the package nats is its frozen predecessor',
    '@nats-io/jetstream': 'its JetStream half',
  },
  '@busbar/transport-socket': {
    'better-sqlite3': 'its file locks, which the kernel frees: they decide who is the hub',
    ws: 'WebSocket for Node, the one that others build on',
    zeromq: 'ZeroMQ, prebuilt; an optional peer of 34 MB',
  },
  '@busbar/otel': { '@opentelemetry/api': 'peer: programs have it, and their SDK finds its one copy' },
  '@busbar/conformance': { vitest: 'optional peer: only its own entry loads it' },
};

const all = manifests();
const packages = all.filter(({ folder }) => folder !== '.');
const published = packages.filter((each) => !each.private);
const version = all.find(({ folder }) => folder === '.')!.version;

test('published packages depend on nothing that is not on the list', () => {
  const found = published.flatMap(({ name, dependencies, peerDependencies, devDependencies }) =>
    Object.keys({ ...dependencies, ...peerDependencies, ...devDependencies })
      .filter((dependency) => !isOurs(dependency) && !(dependency in (allowed[name] ?? {})))
      .map((dependency) => `${name} → ${dependency}`),
  );
  expect(found).toEqual([]);
});

test('the api depends on one exact version of one package', () => {
  expect(all.find(({ name }) => name === '@busbar/api')!.dependencies).toEqual({
    croner: expect.stringMatching(/^\d+\.\d+\.\d+$/),
  });
});

test('all packages have one version, and name each other by it', () => {
  expect(packages.filter((each) => each.version !== version).map(({ name }) => name)).toEqual([]);
  const loose = packages.flatMap(({ name, dependencies, peerDependencies, devDependencies }) =>
    Object.entries({ ...dependencies, ...peerDependencies, ...devDependencies })
      .filter(([dependency, range]) => isOurs(dependency) && range !== version)
      .map(([dependency, range]) => `${name} → ${dependency}@${range}`),
  );
  expect(loose).toEqual([]);
});

test('published packages depend on no private one', () => {
  const hidden = packages.filter((each) => each.private).map(({ name }) => name);
  const found = published.filter(({ dependencies }) => hidden.some((name) => name in dependencies));
  expect(found.map(({ name }) => name)).toEqual([]);
});

test('tools are pinned to exact versions', () => {
  const loose = all
    .filter(({ folder }) => folder !== 'bench')
    .flatMap(({ devDependencies }) =>
      Object.entries(devDependencies).filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range)),
    );
  expect(loose).toEqual([]);
});

test('busbar brings SQLite; other backends and the suite are optional peers', () => {
  const { dependencies, peerDependencies, peerDependenciesMeta } = all.find(({ name }) => name === 'busbar')!;
  const peers = ['conformance', 'transport-nats', 'transport-redis', 'transport-socket'];
  expect(Object.keys(dependencies)).toContain('@busbar/transport-sqlite');
  expect(Object.keys(peerDependencies)).toEqual(peers.map((name) => `@busbar/${name}`));
  const isRequired = (name: string): boolean => peerDependenciesMeta[name]?.optional !== true;
  expect(Object.keys(peerDependencies).filter(isRequired)).toEqual([]);
});

test.each(published)('$name declares its metadata and entries', (each) => {
  expect(each).toMatchObject({ license: 'MIT', type: 'module', engines: { node: '>=22.18' }, sideEffects: false });
  expect(each).toMatchObject({ repository: { type: 'git', directory: each.folder } });
  expect(existsSync(join(root, each.folder, 'README.md'))).toBe(true);
  for (const [entry, target] of Object.entries(each.exports)) {
    const source = target['@busbar/source'] ?? '';
    expect(Object.keys(target), `conditions of ${entry}`).toEqual(['@busbar/source', 'types', 'default']);
    expect(existsSync(join(root, each.folder, source)), `${each.folder}/${source}`).toBe(true);
    const built = source.replace('./src/', './dist/').replace(/\.ts$/, '');
    expect([target['types'], target['default']]).toEqual([`${built}.d.ts`, `${built}.js`]);
  }
});

function isOurs(name: string): boolean {
  return name === 'busbar' || name.startsWith('@busbar/');
}
