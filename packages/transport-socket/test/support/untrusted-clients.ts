// Clients that a hub refuses over WebSocket and ZeroMQ.
import { writeFileSync } from 'node:fs';
import type { Harness, UntrustedClient } from '@busbar/conformance';
import { freePort, spawnChild, TEST_CERTIFICATES, type TempDir, tempDir, waitFor } from '@busbar/testbed';
import { hubStatus, openSocket } from '../../src/index.ts';
import type { LinkKind } from './link-kinds.ts';
import { PROGRAM } from './running-hub.ts';

const TOKEN = 'the-token-of-this-hub-here';
const OTHER = 'a-token-of-another-hub-far';

/** A hub that listens at `url`. Its own clients connect with the parameters in `query`. */
async function untrustedClientAt(folder: TempDir, url: string, query: string, wrong: string): Promise<UntrustedClient> {
  const tokenFile = secretFile(folder, 'token', TOKEN);
  const args = ['hub', '--store', 'memory:', '--listen', url, '--token-file', tokenFile];
  const child = spawnChild({ file: PROGRAM, args });
  const address = url.replace(/\?.*/, '');
  await waitFor(() => hubStatus(`${address}?tokenFile=${tokenFile}${query}`), { what: 'the hub to serve' });
  return {
    open: () => openSocket(`${address}?${wrong}`),
    secrets: [TOKEN, OTHER],
    remove: async () => {
      await child.kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The refused clients of one kind of link. */
export function untrustedClientsOf(kind: LinkKind): NonNullable<Harness['untrustedClients']> {
  return {
    denied: 'Every client with a valid token may send to a queue. A test of its own tries the rights of each token.',
    async wrongPassword() {
      const folder = tempDir(`busbar-${kind.name}`);
      const wrong = `tokenFile=${secretFile(folder, 'other', OTHER)}`;
      return untrustedClientAt(folder, kind.at(await freePort()), '', wrong);
    },
    wrongAuthority: kind.name === 'ws' ? untrusted : 'ZeroMQ is limited to one machine and uses no certificates.',
    async impostor() {
      const folder = tempDir(`busbar-${kind.name}`);
      const tokenFile = secretFile(folder, 'own', TOKEN);
      return untrustedClientAt(folder, kind.at(await freePort()), '', `tokenFile=${tokenFile}&agent=@myself`);
    },
  };
}

/** Trusts a certificate authority that did not sign the hub's certificate. */
async function untrusted(): Promise<UntrustedClient> {
  const folder = tempDir('busbar-ws');
  const { cert, key, ca, wrongCa } = TEST_CERTIFICATES;
  const url = `wss://127.0.0.1:${await freePort()}/bus?cert=${cert}&key=${key}`;
  const tokenFile = secretFile(folder, 'own', TOKEN);
  return untrustedClientAt(folder, url, `&ca=${ca}`, `tokenFile=${tokenFile}&ca=${wrongCa}`);
}

function secretFile(folder: TempDir, name: string, secret: string): string {
  const path = folder.join(name);
  writeFileSync(path, `${secret}\n`, { mode: 0o600 });
  return path;
}
