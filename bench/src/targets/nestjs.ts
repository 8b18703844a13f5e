/** NestJS microservices over TCP, with its decorators called by hand. */

import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type ClientProxy, ClientProxyFactory, MessagePattern, Transport } from '@nestjs/microservices';
import { firstValueFrom, type Observable, range } from 'rxjs';
import type { Client, TargetLocation } from '../client.ts';

const PATTERN = 'double';
const STREAM = 'count';

class Doubler {
  double(value: number): number {
    return value * 2;
  }

  count(parts: number): Observable<number> {
    return range(0, parts);
  }
}
class App {}

const describe = (name: 'double' | 'count') =>
  Object.getOwnPropertyDescriptor(Doubler.prototype, name) as TypedPropertyDescriptor<unknown>;
MessagePattern(PATTERN)(Doubler.prototype, 'double', describe('double'));
MessagePattern(STREAM)(Doubler.prototype, 'count', describe('count'));
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
    async *stream(parts) {
      proxy ??= ClientProxyFactory.create(tcp);
      yield* eachValue(proxy.send(STREAM, parts));
    },
    async close() {
      await proxy?.close();
      await service?.close();
    },
  };
}

/** The values of an observable, as they come. */
async function* eachValue(values: Observable<unknown>): AsyncGenerator<unknown> {
  const waiting: unknown[] = [];
  let isDone = false;
  let changed = Promise.withResolvers<void>();
  values.subscribe({
    next: (value) => {
      waiting.push(value);
      changed.resolve();
    },
    error: (error: unknown) => changed.reject(error),
    complete: () => {
      isDone = true;
      changed.resolve();
    },
  });
  while (!isDone || waiting.length > 0) {
    if (waiting.length === 0) await changed.promise;
    changed = Promise.withResolvers();
    yield* waiting.splice(0);
  }
}
