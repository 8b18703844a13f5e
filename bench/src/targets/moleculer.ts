/** Moleculer: over TCP, peer to peer, where the requester knows the address of the responder; or over Redis. Otherwise its defaults. */

import { Redis } from 'ioredis';
import { type BrokerOptions, ServiceBroker, Transporters } from 'moleculer';
import type { Client, TargetLocation } from '../client.ts';

type Transporter = NonNullable<BrokerOptions['transporter']>;

/** With the ioredis of this package, since Moleculer finds none. */
class RedisTransporter extends Transporters.Redis {
  override getRedisClient(url: string): Redis {
    return new Redis(url);
  }
}

export async function open({ port }: TargetLocation): Promise<Client> {
  const tcp = (options: object): Transporter => ({
    type: 'TCP',
    options: { udpDiscovery: false, useHostname: false, gossipPeriod: 1, ...options },
  });
  return openOver(tcp({ port }), tcp({ urls: [`127.0.0.1:${port}/responder`] }));
}

export async function openOverRedis({ url }: TargetLocation): Promise<Client> {
  return openOver(new RedisTransporter(url), new RedisTransporter(url));
}

async function openOver(responding: Transporter, requesting: Transporter): Promise<Client> {
  let broker: ServiceBroker | undefined;
  const make = (nodeID: string, transporter: Transporter): ServiceBroker => {
    broker = new ServiceBroker({ nodeID, logger: false, transporter });
    return broker;
  };
  let started: Promise<ServiceBroker> | undefined;
  const startRequester = async (): Promise<ServiceBroker> => {
    const requester = make('requester', requesting);
    await requester.start();
    await requester.waitForServices('numbers');
    return requester;
  };
  return {
    async respond() {
      const responder = make('responder', responding);
      responder.createService({
        name: 'numbers',
        actions: { double: ({ params }: { params: { value: number } }) => params.value * 2 },
      });
      await responder.start();
    },
    async request(value) {
      started ??= startRequester();
      return (await started).call('numbers.double', { value });
    },
    close: async () => broker?.stop(),
  };
}
