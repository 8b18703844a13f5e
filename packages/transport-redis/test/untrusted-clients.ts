// Clients that a Redis server refuses.
import type { Harness, UntrustedClient } from '@busbar/conformance';
import { type RedisServer, startRedis } from '@busbar/testbed';
import { openRedis, parseRedisUrl, type RedisOptions } from '../src/index.ts';

const SECRET = 'hunter2-is-no-secret';

export const untrustedClients: NonNullable<Harness['untrustedClients']> = {
  wrongPassword: async () => {
    const server = await startRedis({ password: 'the-right-one' });
    return untrustedClient(server, parseRedisUrl(server.urlAs(`:${SECRET}`)));
  },
  denied: async () => {
    const server = await startRedis({ users: [`idle on >${SECRET} resetkeys resetchannels -@all`] });
    return untrustedClient(server, parseRedisUrl(server.urlAs(`idle:${SECRET}`)));
  },
  wrongAuthority: async () => {
    const server = await startRedis({ tls: true, password: SECRET });
    const ca = server.certificates?.wrongCa ?? '';
    return untrustedClient(server, { ...parseRedisUrl(server.url), tls: { ca } });
  },
  impostor: 'A Redis server does not read messages: a client with access to a namespace may send under any name.',
};

function untrustedClient(server: RedisServer, options: RedisOptions): UntrustedClient {
  const remove = async (): Promise<void> => await server[Symbol.asyncDispose]();
  return { open: () => openRedis(options), secrets: [SECRET, 'the-right-one'], remove };
}
