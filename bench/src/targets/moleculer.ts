/** Moleculer over TCP, peer to peer, with its defaults but for discovery: the asker is told where the responder is. */

import { ServiceBroker } from 'moleculer';
import type { Client, Place } from '../client.ts';

export async function open({ port }: Place): Promise<Client> {
  let broker: ServiceBroker | undefined;
  const start = async (nodeID: string, options: object): Promise<ServiceBroker> => {
    const tcp = { udpDiscovery: false, useHostname: false, gossipPeriod: 1, ...options };
    broker = new ServiceBroker({ nodeID, logger: false, transporter: { type: 'TCP', options: tcp } });
    return broker;
  };
  let asking: Promise<ServiceBroker> | undefined;
  const startAsker = async (): Promise<ServiceBroker> => {
    const asker = await start('asker', { urls: [`127.0.0.1:${port}/responder`] });
    await asker.start();
    await asker.waitForServices('numbers');
    return asker;
  };
  return {
    async answer() {
      const responder = await start('responder', { port });
      responder.createService({
        name: 'numbers',
        actions: { double: ({ params }: { params: { value: number } }) => params.value * 2 },
      });
      await responder.start();
    },
    async ask(value) {
      asking ??= startAsker();
      return (await asking).call('numbers.double', { value });
    },
    close: async () => broker?.stop(),
  };
}
