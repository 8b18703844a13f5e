// Clients that a NATS server refuses.
import type { Harness, UntrustedClient } from '@busbar/conformance';
import { type NatsServer, startNats } from '@busbar/testbed';
import { type NatsOptions, openNats, parseNatsUrl } from '../src/index.ts';

const SECRET = 'hunter2-is-no-secret';
const RIGHT = 'the-right-one';

export const untrustedClients: NonNullable<Harness['untrustedClients']> = {
  wrongPassword: async () => {
    const server = await startNats({ users: [{ user: 'agent', password: RIGHT }] });
    return untrustedClient(server, parseNatsUrl(server.urlAs(`agent:${SECRET}`)));
  },
  denied: async () => {
    const permissions = { publish: { deny: '>' }, subscribe: { deny: '>' } };
    const server = await startNats({ users: [{ user: 'idle', password: SECRET, permissions }] });
    return untrustedClient(server, parseNatsUrl(server.urlAs(`idle:${SECRET}`)));
  },
  wrongAuthority: async () => {
    const server = await startNats({ tls: true, token: SECRET });
    const ca = server.certificates?.wrongCa ?? '';
    return untrustedClient(server, { ...parseNatsUrl(server.url), tls: { ca } });
  },
  impostor: 'A NATS server does not read messages: a client that may publish to a queue may send under any name.',
};

function untrustedClient(server: NatsServer, options: NatsOptions): UntrustedClient {
  const remove = async (): Promise<void> => await server[Symbol.asyncDispose]();
  return { open: () => openNats(options), secrets: [SECRET, RIGHT], remove };
}
