/** Moleculer over TCP, peer to peer, with its defaults except discovery: the requester knows the address of the responder. */

import { ServiceBroker } from 'moleculer';
import type { Client, TargetLocation } from '../client.ts';

export async function open({ port }: TargetLocation): Promise<Client> {
  let broker: ServiceBroker | undefined;
  const start = async (nodeID: string, options: object): Promise<ServiceBroker> => {
    const tcp = { udpDiscovery: false, useHostname: false, gossipPeriod: 1, ...options };
    broker = new ServiceBroker({ nodeID, logger: false, transporter: { type: 'TCP', options: tcp } });
    return broker;
  };
  let requesting: Promise<ServiceBroker> | undefined;
  const startRequester = async (): Promise<ServiceBroker> => {
    const requester = await start('requester', { urls: [`127.0.0.1:${port}/responder`] });
    await requester.start();
    await requester.waitForServices('numbers');
    return requester;
  };
  return {
    async respond() {
      const responder = await start('responder', { port });
      responder.createService({
        name: 'numbers',
        actions: { double: ({ params }: { params: { value: number } }) => params.value * 2 },
      });
      await responder.start();
    },
    async request(value) {
      requesting ??= startRequester();
      return (await requesting).call('numbers.double', { value });
    },
    close: async () => broker?.stop(),
  };
}
