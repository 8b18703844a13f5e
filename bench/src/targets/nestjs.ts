/** NestJS microservices over TCP, with its decorators called by hand. */

import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type ClientProxy, ClientProxyFactory, MessagePattern, Transport } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import type { Client, TargetLocation } from '../client.ts';

const PATTERN = 'double';

class Doubler {
  double(value: number): number {
    return value * 2;
  }
}
class App {}

const described = Object.getOwnPropertyDescriptor(Doubler.prototype, 'double') as TypedPropertyDescriptor<unknown>;
MessagePattern(PATTERN)(Doubler.prototype, 'double', described);
Controller()(Doubler);
Module({ controllers: [Doubler] })(App);

export async function open({ port }: TargetLocation): Promise<Client> {
  const tcp = { transport: Transport.TCP, options: { host: '127.0.0.1', port } } as const;
  let service: { close(): Promise<void> } | undefined;
  let proxy: ClientProxy | undefined;
  return {
    async respond() {
      const microservice = await NestFactory.createMicroservice(App, { ...tcp, logger: false });
      await microservice.listen();
      service = microservice;
    },
    async request(value) {
      proxy ??= ClientProxyFactory.create(tcp);
      return firstValueFrom(proxy.send(PATTERN, value));
    },
    async close() {
      await proxy?.close();
      await service?.close();
    },
  };
}
